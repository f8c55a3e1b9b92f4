"""Measures Podlift on this machine. Run it from the repository's folder, not from the tests."""


class Unmeasured(Exception):
    """Something went wrong that makes a figure meaningless; says what."""
