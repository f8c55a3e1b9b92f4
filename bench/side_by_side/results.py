"""What a whole run found, and the figures that follow from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.side_by_side.spread import Spread, ratios, spread

BARE = "bare client"
Turn = dict[str, Any]


@dataclass
class Results:
    """Everything measured, as it is written to the file beside the report."""

    facts: dict[str, str]
    """Machine, versions, settings, commit."""
    settings: dict[str, str]
    """The contenders' settings by their names."""
    tasks: int = 0
    rounds: list[dict[str, Turn]] = field(default_factory=list)
    """Each contender's turn by its name, once a round."""
    others: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Measurements that are taken beside, by name, each once or more often."""
    unmeasured: list[str] = field(default_factory=list)
    """What could not be measured, and why."""

    def contenders(self) -> list[str]:
        """The names of those that were measured at least once, in order."""
        return list(dict.fromkeys(name for turns in self.rounds for name in turns))

    def each(self, name: str, figure: Callable[[Turn], float | None]) -> list[float]:
        """A figure of one contender, in every round that has it."""
        turns = [turns[name] for turns in self.rounds if name in turns]
        return [value for turn in turns if (value := figure(turn)) is not None]

    def spread(self, name: str, figure: Callable[[Turn], float | None]) -> Spread | None:
        """Its middle and its spread; None when nobody measured it."""
        found = self.each(name, figure)
        return spread(found) if found else None

    def ratio(self, ours: str, theirs: str, figure: Callable[[Turn], float]) -> Spread | None:
        """Ours over theirs, within each round that has both."""
        both = [turns for turns in self.rounds if ours in turns and theirs in turns]
        if not both:
            return None
        return spread(
            ratios(
                [figure(turns[ours]) for turns in both], [figure(turns[theirs]) for turns in both]
            )
        )


def rate(turn: Turn) -> float:
    """Tasks ended in a second."""
    return float(turn["tasks"] / turn["seconds"])


def cpu(turn: Turn) -> float:
    """Milliseconds of CPU for each task, of all processes on the executor's side."""
    return float(sum(turn["cpu"].values()) / turn["tasks"] * 1e3)


def server_cpu(turn: Turn) -> float:
    """Milliseconds of CPU that each task costs the server's processes."""
    return float(sum(turn["server_cpu"].values()) / turn["tasks"] * 1e3)


def beat(which: str) -> Callable[[Turn], float | None]:
    """Milliseconds of a heartbeat: ``p50``, ``p99`` or ``max``."""
    return lambda turn: turn["beats"][which] if "beats" in turn else None


def memory(turn: Turn) -> float | None:
    """Megabytes, with all processes that the executor started."""
    return turn.get("megabytes")


def created(which: str) -> Callable[[Turn], float | None]:
    """Seconds from queued to created: of the ``first``, the middle (``p50``), the ``last``."""
    return lambda turn: turn["created"][which] if "created" in turn else None


def asked(turn: Turn) -> dict[str, float]:
    """Requests for each task, by kind."""
    made = turn["created"]["count"] if "created" in turn else turn["tasks"]
    return {kind: count / made for kind, count in turn.get("requests", {}).items()}


def too_wide(results: Results) -> Sequence[str]:
    """What lies further apart than it should, of the figures that a busy machine spoils."""
    return [name for name, figures in _spoilt(results) if figures and spread(figures).too_wide]


def _spoilt(results: Results) -> Iterator[tuple[str, Sequence[float]]]:
    for name in results.contenders():
        yield name, results.each(name, rate)
    for one in results.others.get("start", ()):
        for side in (side for side in one if side != "name"):
            yield f"the start of {side} worker", [start["seconds"] for start in one[side]]
    for one in results.others.get("imports", ()):
        for side in (side for side in one if side != "name"):
            yield f"the import of {side}", one[side]
