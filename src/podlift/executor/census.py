"""How things stand: executions by state, pods that pend by reason. For metrics and debug dumps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from podlift.executor.execution import Execution
from podlift.executor.state import State
from podlift.pods.building import BASE
from podlift.pods.causes import Cause
from podlift.pods.diagnosis import diagnose
from podlift.pods.reading import Pod

SCHEDULING, STARTING = "scheduling", "starting"
"""Reasons to pend with which nothing is wrong: no node yet; a node that prepares it."""
REASONS = (SCHEDULING, STARTING, *Cause)

_LISTED = 10


@dataclass(frozen=True)
class Pending:
    """A pod that exists and whose task has not begun."""

    pod: str
    seconds: float | None
    """Since it was created; None if that was before this executor looked."""
    reason: str
    words: str


@dataclass(frozen=True)
class Census:
    """All executions of one executor at one moment."""

    by_state: Mapping[str, int]
    pending: Mapping[str, int]
    oldest: tuple[Pending, ...]
    """The pods that have been pending longest."""


def count(executions: Iterable[Execution], now: float) -> Census:
    """Count them. A pod is diagnosed again only when it has changed."""
    by_state: Counter[str] = Counter({state.value: 0 for state in State if state != State.GONE})
    pending: Counter[str] = Counter(dict.fromkeys(map(str, REASONS), 0))
    waiting: list[Pending] = []
    for execution in executions:
        by_state[execution.record.state.value] += 1
        if execution.record.state is State.PENDING:
            pending[_reason(execution)] += 1
            waiting.append(_pending(execution, now))
    waiting.sort(key=lambda each: -(each.seconds or 0.0))
    return Census(by_state, pending, tuple(waiting[:_LISTED]))


def _pending(execution: Execution, now: float) -> Pending:
    made = execution.created_at
    return Pending(
        execution.pod_name,
        None if made is None else now - made,
        _reason(execution),
        execution.record.trouble.sentence if execution.record.trouble else "",
    )


def _reason(execution: Execution) -> str:
    pod = execution.pod
    if pod is None:
        return SCHEDULING
    if execution.reason is None or execution.reason[0] is not pod:
        execution.reason = pod, _reason_of(pod)
    return execution.reason[1]


def _reason_of(pod: Pod) -> str:
    diagnosis = diagnose(pod, main=BASE)
    if diagnosis is not None:
        return diagnosis.cause
    return STARTING if pod.spec.node_name else SCHEDULING


def page(census: Census, rate: float, lag: float | None) -> str:
    """The census for a person's eyes, a line for each fact."""
    lines = [f"{state}: {number}" for state, number in census.by_state.items() if number]
    lines = lines or ["nothing to do"]
    lines.append(f"creations allowed per second: {rate:g}")
    if lag is not None:
        lines.append(f"the watch told of the last pod {lag:.3f} s after it was made")
    reasons = [f"{reason} {number}" for reason, number in census.pending.items() if number]
    if reasons:
        lines.append(f"pods pend for: {', '.join(reasons)}")
    for each in census.oldest:
        since = "before this executor" if each.seconds is None else f"{each.seconds:.0f} s"
        lines.append(f"  {each.pod}, {since}: {each.words or each.reason}")
    return "\n".join(lines)
