"""The `podlift` command."""
