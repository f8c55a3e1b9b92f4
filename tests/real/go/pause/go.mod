module podlift.dev/tests/real/pause

go 1.26.0
