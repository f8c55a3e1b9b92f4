"""How long a run takes on two cores with nothing else to do. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.side_by_side.contenders import Contender
    from bench.side_by_side.running import Plan

_STARTING = 7.0
"""Seconds until a contender has started in a namespace of its own, and until that is empty."""
_RATE = 45.0
"""Tasks a second of Podlift's executor and of the bare client."""
_TUNED_RATE = 22.0
"""Of the standard executor tuned best. Its other settings use up the time that they have."""
_ENTERING = 90.0
"""Pods a second that begin to run, of Podlift's executor."""


def estimates(plan: Plan) -> dict[str, float]:
    """Seconds of each part of a plan, in the order in which they are measured."""
    return {part: _PARTS[part](plan) for part in _PARTS if part in plan.parts}


def in_words(seconds: float) -> str:
    """About how many minutes."""
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"


def _pairs(plan: Plan) -> float:
    bare = plan.tasks / _RATE
    return plan.pairs * (bare + sum(_turn(plan, each) for each in plan.contenders))


def _turn(plan: Plan, contender: Contender) -> float:
    rate = _RATE if contender.is_podlift else _TUNED_RATE
    return _STARTING + min(contender.window, plan.tasks / rate)


def _recovery(plan: Plan) -> float:
    growing = plan.killed / _ENTERING + (plan.killed / _TUNED_RATE if plan.standard else 0)
    ends = plan.killed / 50
    return growing + _sides(plan) * (2 * _STARTING + ends + plan.pairs * 10)


def _scale(plan: Plan) -> float:
    standard = _curve(plan, plan.standard_alive, _TUNED_RATE) if plan.standard else 0
    return _curve(plan, plan.alive, _ENTERING) + standard


def _curve(plan: Plan, sizes: Sequence[int], rate: float) -> float:
    steps = len(sizes) * (8 + plan.pairs * 2.5)
    return _STARTING + max(sizes) / rate + steps + plan.pairs * 8 + max(sizes) / 200


def _waiting(plan: Plan) -> float:
    return _sides(plan) * (50 + plan.deferred * 0.025) + plan.deferred * 0.06


def _imports(plan: Plan) -> float:
    return (plan.pairs + 1) * 2 * 2.5


def _start(plan: Plan) -> float:
    return 12 + plan.pairs * 2 * 2.0


def _whole(plan: Plan) -> float:
    return (3 if plan.standard else 1) * (40 + min(plan.whole_seconds, plan.whole / 15))


def _sides(plan: Plan) -> int:
    return 2 if plan.standard else 1


_PARTS: dict[str, Callable[[Plan], float]] = {
    "pairs": _pairs,
    "start": _start,
    "imports": _imports,
    "recovery": _recovery,
    "whole": _whole,
    "scale": _scale,
    "waiting": _waiting,
}
