"""`python -m podlift.cli`: the `podlift` command, where its script is not on the PATH."""

from podlift.cli import main

main()
