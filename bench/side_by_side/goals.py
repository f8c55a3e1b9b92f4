"""What Podlift should reach on two cores, and what it did reach in this run. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bench import meets
from bench.side_by_side.contenders import PODLIFT, PODLIFT_FLAT_OUT
from bench.side_by_side.results import BARE, Results, Turn, asked, beat, cpu, rate
from bench.side_by_side.spread import Spread, cell, shown, spread
from bench.side_by_side.tables import table


@dataclass(frozen=True)
class Goal:
    """A bound, and what was measured."""

    sentence: str
    measured: Spread
    at_least: float | None = None
    at_most: float | None = None

    @property
    def met(self) -> bool:
        """Whether the middle keeps to the bound."""
        return meets(self.measured.middle, self.at_least, self.at_most)

    def row(self) -> list[str]:
        """In words."""
        bound = (
            f"at least {shown(self.at_least)}"
            if self.at_least is not None
            else f"at most {shown(self.at_most or 0.0)}"
        )
        return [self.sentence, bound, cell(self.measured), "met" if self.met else "**missed**"]


def goals_table(results: Results) -> str:
    """The goals that this run says something about; empty when there is none."""
    rows = [goal.row() for goal in goals(results)]
    return table(["", "goal", "measured", ""], rows) if rows else ""


def goals(results: Results) -> Iterator[Goal]:
    """Those that were measured."""
    box, flat = PODLIFT.name, PODLIFT_FLAT_OUT.name

    def of(name: str, figure: Callable[[Turn], float | None]) -> Spread | None:
        return results.spread(name, figure)

    for name, pace in ((flat, "the loop flat out"), (box, "a heartbeat a second")):
        if found := of(name, rate):
            yield Goal(f"tasks a second, {pace}", found, at_least=45)
        if found := results.ratio(name, BARE, rate):
            yield Goal(f"of the bare client's tasks, {pace}", found, at_least=0.9)
    if found := of(flat, beat("p99")):
        sentence = f"heartbeat p99 with {results.tasks:,} tasks arriving at once, ms"
        yield Goal(sentence, found, at_most=2)
    if found := of(box, cpu):
        yield Goal("CPU for each task, ms", found, at_most=4)
    if found := of(flat, _requests):
        yield Goal("requests for each task", found, at_most=2.05)
    starts = [
        start["seconds"]
        for one in results.others.get("start", [])
        for start in one.get("Podlift", ())
    ]
    if starts:
        yield Goal("s from a worker's start to the task's first line", spread(starts), at_most=1)
    added = [
        step["added_megabytes"]
        for one in results.others.get("scale", [])
        for step in one["steps"]
        if one["name"] == flat and step["alive"] == 10_000
    ]
    if added:
        yield Goal("MB added by 10,000 pods", spread(added), at_most=100)


def _requests(turn: Turn) -> float | None:
    return sum(asked(turn).values()) if "requests" in turn else None
