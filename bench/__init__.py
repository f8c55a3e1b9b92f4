"""Measures Podlift on this machine. Run it from the repository's folder, not from the tests."""


class Unmeasured(Exception):
    """Something went wrong that makes a figure meaningless; says what."""


def meets(value: float, at_least: float | None, at_most: float | None) -> bool:
    """Whether a figure keeps to its bounds."""
    return (at_least is None or value >= at_least) and (at_most is None or value <= at_most)
