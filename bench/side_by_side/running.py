"""The order of a run: rounds in turns, then what is measured beside; what fails is noted."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from bench import Unmeasured
from bench.side_by_side.circumstances import facts
from bench.side_by_side.contenders import (
    ALL,
    PODLIFT,
    PODLIFT_FLAT_OUT,
    STANDARD_BEST,
    STANDARD_DEFAULT,
    Contender,
)
from bench.side_by_side.imports import import_costs
from bench.side_by_side.playing import make_database
from bench.side_by_side.recovery import recovery
from bench.side_by_side.results import BARE, Results, rate
from bench.side_by_side.scale import curve
from bench.side_by_side.sites import Site
from bench.side_by_side.starting import starts
from bench.side_by_side.throughput import bare_turn, turn
from bench.side_by_side.waiting import waiting
from bench.side_by_side.whole import whole
from podlift.kube import KubeError

PARTS = ("pairs", "scale", "recovery", "waiting", "imports", "start", "whole")
Tell = Callable[[str], None]
Measure = Callable[[], Awaitable[dict[str, Any]]]


@dataclass(frozen=True)
class Plan:
    """What a run measures, and how much of it."""

    pairs: int = 5
    tasks: int = 500
    others: int = 1
    """How often each measurement beside the pairs is taken."""
    parts: Sequence[str] = PARTS
    contenders: Sequence[Contender] = ALL
    alive: Sequence[int] = (100, 1000, 5000, 10_000)
    standard_alive: Sequence[int] = (100, 1000)
    killed: int = 1000
    deferred: int = 1000
    whole: int = 1000
    whole_seconds: float = 60.0

    @property
    def standard(self) -> bool:
        """Whether the standard executor takes part, which needs its environment."""
        return any(not each.is_podlift for each in self.contenders)

    def without_standard(self) -> Plan:
        """The same without whatever needs the standard executor's environment."""
        return replace(
            self,
            parts=[part for part in self.parts if part not in ("waiting", "imports")],
            contenders=[each for each in self.contenders if each.is_podlift],
        )


QUICK = Plan(
    pairs=1,
    tasks=60,
    parts=("pairs", "scale", "recovery", "imports", "start"),
    contenders=(PODLIFT, PODLIFT_FLAT_OUT, STANDARD_DEFAULT, STANDARD_BEST),
    alive=(50, 100),
    standard_alive=(50, 100),
    killed=50,
    deferred=50,
    whole=20,
    whole_seconds=60.0,
)
"""Whether everything works; its figures prove nothing."""


async def run(site: Site, plan: Plan, tell: Tell) -> Results:
    """Everything that the plan asks for. What cannot be measured is said in the results."""
    results = Results(
        facts(site, standard=plan.standard), {each.name: each.words for each in plan.contenders}
    )
    results.tasks = plan.tasks
    database = await make_database(plan.contenders[0].python, site.folder)
    if "pairs" in plan.parts:
        for number in range(plan.pairs):
            results.rounds.append(await _round(site, plan, number, database, results, tell))
    for _ in range(plan.others):
        await _others(site, plan, database, results, tell)
    return results


async def _round(
    site: Site, plan: Plan, number: int, database: Path, results: Results, tell: Tell
) -> dict[str, Any]:
    """Everyone once; every other round in the opposite order, so that nobody is always last."""
    found: dict[str, Any] = {}

    turns: list[tuple[str, Measure]] = [
        (BARE, partial(bare_turn, site, plan.tasks)),
        *((each.name, partial(turn, site, each, plan.tasks, database)) for each in plan.contenders),
    ]
    for name, measure in turns if number % 2 == 0 else reversed(turns):
        one = await _measured(f"round {number + 1} of {plan.pairs}: {name}", measure, results, tell)
        if one is not None:
            found[name] = one
            tell(f"  {rate(one):.1f} tasks a second")
    # As in the list of contenders, whatever the order of this round.
    return {name: found[name] for name, _ in turns if name in found}


async def _others(site: Site, plan: Plan, database: Path, results: Results, tell: Tell) -> None:
    parts: list[tuple[str, str, Measure]] = []
    at = [(PODLIFT_FLAT_OUT, plan.alive)]
    if plan.standard:
        at.append((STANDARD_BEST, plan.standard_alive))
    for each, sizes in at:
        parts += [
            ("recovery", each.name, partial(recovery, site, each, plan.killed, database)),
            (
                "scale",
                each.name,
                partial(curve, site, each, sizes, database),
            ),
        ]
    parts += [
        ("waiting", "both triggers", partial(waiting, site, plan.deferred)),
        ("imports", "both operators", import_costs),
        ("start", "both workers", partial(starts, plan.pairs)),
        *(
            ("whole", each.setting, partial(whole, site, each, plan.whole, plan.whole_seconds))
            for each in (PODLIFT, STANDARD_DEFAULT, STANDARD_BEST)[: None if plan.standard else 1]
        ),
    ]
    for part, name, measure in parts:
        if part in plan.parts:
            one = await _measured(f"{part}: {name}", measure, results, tell)
            if one is not None:
                results.others.setdefault(part, []).append({"name": name, **one})


async def _measured(
    what: str, measure: Measure, results: Results, tell: Tell
) -> dict[str, Any] | None:
    """What was found; None when it could not be, with a note of why."""
    began = time.monotonic()
    try:
        found = await measure()
    except (Unmeasured, KubeError, TimeoutError, subprocess.SubprocessError) as error:
        results.unmeasured.append(f"{what}: {error or type(error).__name__}")
        tell(f"{what}: not measured: {error or type(error).__name__}")
        return None
    tell(f"{what}: {time.monotonic() - began:.0f} s")
    return found
