"""What one check found. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """How a check ended."""

    GOOD = "good"
    BAD = "bad"
    """Tasks will fail, or will not start, until it is put right."""
    DOUBTFUL = "doubtful"
    """It works, but perhaps not as somebody meant it to."""
    SKIPPED = "skipped"


SIGNS = {Outcome.GOOD: "✓", Outcome.BAD: "✗", Outcome.DOUBTFUL: "!", Outcome.SKIPPED: "-"}


@dataclass(frozen=True)
class Check:
    """One line of the report."""

    outcome: Outcome
    what: str
    """The matter, in a few words."""
    says: str
    """What was found."""
    remedy: str = ""
    """What to do about it; empty where nothing is to be done."""


def good(what: str, says: str) -> Check:
    """All is well."""
    return Check(Outcome.GOOD, what, says)


def bad(what: str, says: str, remedy: str) -> Check:
    """It has to be put right."""
    return Check(Outcome.BAD, what, says, remedy)


def doubtful(what: str, says: str, remedy: str = "") -> Check:
    """It may not be what was meant."""
    return Check(Outcome.DOUBTFUL, what, says, remedy)


def skipped(what: str, says: str) -> Check:
    """It was not looked at."""
    return Check(Outcome.SKIPPED, what, says)


def is_well(checks: Iterable[Check]) -> bool:
    """Whether nothing has to be put right."""
    return all(each.outcome is not Outcome.BAD for each in checks)


def lines(checks: Sequence[Check]) -> list[str]:
    """The report, for people."""
    width = max((len(each.what) for each in checks), default=0)
    found = []
    for each in checks:
        found.append(f"{SIGNS[each.outcome]} {each.what:<{width}}  {each.says}")
        if each.remedy:
            found.append(f"  {'':<{width}}  → {each.remedy}")
    return found
