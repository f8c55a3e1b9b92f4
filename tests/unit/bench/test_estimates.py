"""How long a run is said to take."""

from __future__ import annotations

from dataclasses import replace

from bench.side_by_side.estimates import estimates, in_words
from bench.side_by_side.running import PARTS, QUICK, Plan


def test_a_whole_run_is_said_to_fit_into_35_minutes() -> None:
    assert list(estimates(Plan())) == list(PARTS)
    assert 20 * 60 < sum(estimates(Plan()).values()) < 35 * 60


def test_less_takes_less() -> None:
    whole = estimates(Plan())
    assert sum(estimates(QUICK).values()) < sum(whole.values()) / 5
    assert estimates(replace(Plan(), parts=["start"])) == {"start": whole["start"]}
    alone = estimates(Plan().without_standard())
    assert all(alone[part] <= whole[part] for part in alone)


def test_minutes_are_told_as_such() -> None:
    assert in_words(29.6) == "30 s"
    assert in_words(610) == "10 min"
