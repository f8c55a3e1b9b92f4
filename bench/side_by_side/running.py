"""The order of a run: rounds in turns, then what is measured beside; what fails is noted."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

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
from bench.side_by_side.estimates import estimates, in_words
from bench.side_by_side.imports import import_costs
from bench.side_by_side.playing import make_database
from bench.side_by_side.recovery import Deployment, deployment
from bench.side_by_side.results import BARE, Results, rate
from bench.side_by_side.scale import curve
from bench.side_by_side.sites import Site
from bench.side_by_side.starting import starts
from bench.side_by_side.throughput import bare_turn, turn
from bench.side_by_side.waiting import waiting
from bench.side_by_side.whole import whole
from podlift.kube import KubeError

PARTS = ("pairs", "start", "imports", "recovery", "whole", "scale", "waiting")
Tell = Callable[[str], None]
Measure = Callable[[], Awaitable[dict[str, Any]]]
Found = TypeVar("Found")


@dataclass(frozen=True)
class Plan:
    """What a run measures, and how much of it."""

    pairs: int = 5
    """Rounds, and how often whatever can be is measured beside them."""
    tasks: int = 500
    parts: Sequence[str] = PARTS
    contenders: Sequence[Contender] = ALL
    alive: Sequence[int] = (100, 1000, 5000, 10_000)
    standard_alive: Sequence[int] = (100, 1000)
    killed: int = 1000
    deferred: int = 1000
    whole: int = 1000
    whole_seconds: float = 45.0
    minutes: float | None = None
    """After so many no part is begun that would not end in time."""

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
    parts=("pairs", "recovery", "scale", "imports", "start"),
    contenders=(PODLIFT, PODLIFT_FLAT_OUT, STANDARD_DEFAULT, STANDARD_BEST),
    alive=(50, 100),
    standard_alive=(50, 100),
    killed=50,
    deferred=50,
    whole=20,
)
"""Whether everything works; its figures prove nothing."""


async def run(site: Site, plan: Plan, tell: Tell) -> Results:
    """Everything that the plan asks for. What cannot be measured is said in the results."""
    results = Results(
        facts(site, standard=plan.standard), {each.name: each.words for each in plan.contenders}
    )
    results.tasks = plan.tasks
    database = await make_database(plan.contenders[0].python, site.folder)
    left, began = estimates(plan), time.monotonic()
    for part in list(left):
        tell(f"{part}: some {in_words(left[part])}; until the end {in_words(sum(left.values()))}")
        over = (time.monotonic() - began + left.pop(part)) / 60
        if plan.minutes is None or over <= plan.minutes:
            await _part(part, site, plan, database, results, tell)
        else:
            results.unmeasured.append(
                f"{part}: it would have ended after {over:.0f} minutes, and there were "
                f"{plan.minutes:.0f}"
            )
    return results


async def _part(
    part: str, site: Site, plan: Plan, database: Path, results: Results, tell: Tell
) -> None:
    if part == "pairs":
        for number in range(plan.pairs):
            results.rounds.append(await _round(site, plan, number, database, results, tell))
    elif part == "recovery":
        await _recovery(site, plan, database, results, tell)
    else:
        for name, measure in _beside(part, site, plan, database):
            await _noted(part, name, f"{part}: {name}", measure, results, tell)


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


async def _recovery(site: Site, plan: Plan, database: Path, results: Results, tell: Tell) -> None:
    """Both have their tasks running all the time, and a scheduler only in turns."""
    async with AsyncExitStack() as stack:

        async def begin(contender: Contender) -> Deployment:
            opened = deployment(site, contender, plan.killed, database)
            return await stack.enter_async_context(opened)

        sides = []
        for each in (PODLIFT_FLAT_OUT, STANDARD_BEST)[: None if plan.standard else 1]:
            what = f"recovery: {each.name}: {plan.killed} tasks begin"
            if (there := await _measured(what, partial(begin, each), results, tell)) is not None:
                sides.append(there)
        for number in range(plan.pairs):
            for side in sides if number % 2 == 0 else reversed(sides):
                what = f"recovery {number + 1} of {plan.pairs}: {side.name}"
                measure = partial(side.next_scheduler, last=number == plan.pairs - 1)
                await _noted("recovery", side.name, what, measure, results, tell)


def _beside(part: str, site: Site, plan: Plan, database: Path) -> Sequence[tuple[str, Measure]]:
    """Who is measured in a part beside the pairs, and how."""
    pairs, alone = plan.pairs, None if plan.standard else 1
    if part == "scale":
        sizes = ((PODLIFT_FLAT_OUT, plan.alive), (STANDARD_BEST, plan.standard_alive))
        return [
            (each.name, partial(curve, site, each, alive, pairs, database))
            for each, alive in sizes[:alone]
        ]
    if part == "waiting":
        return [("both triggers", partial(waiting, site, plan.deferred, pairs))]
    if part == "imports":
        return [("both operators", partial(import_costs, pairs))]
    if part == "start":
        return [("both workers", partial(starts, pairs))]
    return [
        (each.setting, partial(whole, site, each, plan.whole, plan.whole_seconds))
        for each in (PODLIFT, STANDARD_DEFAULT, STANDARD_BEST)[:alone]
    ]


async def _noted(
    part: str, name: str, what: str, measure: Measure, results: Results, tell: Tell
) -> None:
    """Measure, and add it to the results if it could be."""
    one = await _measured(what, measure, results, tell)
    if one is not None:
        results.others.setdefault(part, []).append({"name": name, **one})


async def _measured(
    what: str, measure: Callable[[], Awaitable[Found]], results: Results, tell: Tell
) -> Found | None:
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
