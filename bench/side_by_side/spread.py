"""Figures that were taken several times: their middle and how far they lie apart."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

TOO_WIDE = 0.3
"""Share of the middle. Figures further apart say more of the machine than of who is measured."""


@dataclass(frozen=True)
class Spread:
    """The median with the least and the greatest of some figures."""

    middle: float
    least: float
    most: float
    count: int

    @property
    def width(self) -> float:
        """From the least to the greatest, as a share of the middle."""
        return (self.most - self.least) / self.middle if self.middle else 0.0

    @property
    def too_wide(self) -> bool:
        """Whether the figures lie further apart than they should on a quiet machine."""
        return self.width > TOO_WIDE


def spread(figures: Iterable[float]) -> Spread:
    """Raises ``ValueError`` for no figures."""
    found = list(figures)
    if not found:
        raise ValueError("there is no figure to take the middle of")
    return Spread(statistics.median(found), min(found), max(found), len(found))


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Ours over theirs, pair by pair. Raises ``ValueError`` when they are no pairs."""
    return [our / their for our, their in zip(ours, theirs, strict=True)]


def shown(value: float) -> str:
    """A figure with as many digits as mean something."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    if abs(value) >= 0.995:
        return f"{value:.2f}"
    return f"{value:.2g}"


def cell(found: Spread | None) -> str:
    """The middle, with the least and the greatest of more than one; empty for nothing."""
    if found is None:
        return ""
    if found.count == 1:
        return shown(found.middle)
    return f"{shown(found.middle)} ({shown(found.least)} to {shown(found.most)})"
