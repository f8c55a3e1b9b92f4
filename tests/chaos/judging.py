"""What a run must not show. Pure: from what was planned and seen to what is wrong with it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.plans import ENDLESS, Plan, Work
from tests.chaos.pods import IMPOSSIBLE_IMAGE, SECRET
from tests.chaos.rows import FINAL, TaskEnd

Line = dict[str, Any]


@dataclass(frozen=True)
class Evidence:
    """Everything that was seen of one run."""

    plans: Sequence[Plan]
    ends: Sequence[TaskEnd]
    lives: Sequence[Sequence[Line]]
    """The journal of every scheduler's process."""
    overs: Mapping[int, float] = field(default_factory=dict)
    """For each task when the server knew that the last of its pods was over."""
    ran_together: Sequence[str] = ()
    """Moments at which one task ran in two pods."""
    lived_together: Sequence[str] = ()
    """Moments at which one task instance had two living pods."""
    pods_left: Sequence[str] = ()
    statuses: Sequence[Line] = ()
    """The last status of every scheduler that runs at the end."""
    failures: Sequence[str] = ()
    """Schedulers that ended by themselves; the harness's own troubles."""


@dataclass(frozen=True)
class Violation:
    """A promise that was broken."""

    promise: str
    what: str


LOST = "no task is lost"
TWICE = "no task runs twice at the same time"
TWO_PODS = "no task instance has two living pods"
INFRASTRUCTURE = "no task fails for the infrastructure's sake"
TRIES = "no try is used up for the infrastructure's sake"
CAUSE = "a failure says its cause"
SLOTS = "no slot leaks"
PODS = "no pod is left"
ONCE = "every end is reported once"
SCHEDULERS = "no scheduler ends by itself"

_LONG = 40.0
"""Seconds after the end of a task and its pod in which its log is kept and its end reported, faults
included."""

PROMISES = (LOST, TWICE, TWO_PODS, INFRASTRUCTURE, TRIES, CAUSE, SLOTS, PODS, ONCE, SCHEDULERS)


_MISMATCH = re.compile(
    r"^Executor .* finished with state (\w+), but the task instance's state attribute is "
    r"(\w+)\. Learn more: \S+( Extra info: )?"
)


@dataclass
class _Judge:
    violations: list[Violation] = field(default_factory=list)

    def add(self, promise: str, sentences: Iterable[str]) -> None:
        self.violations += [Violation(promise, each) for each in sentences]


def judge(evidence: Evidence) -> list[Violation]:
    """Every promise that the run broke, with what happened; empty for a good one."""
    found = _Judge()
    found.add(LOST, _lost(evidence))
    found.add(TWICE, evidence.ran_together)
    found.add(TWO_PODS, evidence.lived_together)
    found.add(INFRASTRUCTURE, _failed_for_nothing(evidence))
    found.add(TRIES, _used_tries(evidence))
    found.add(CAUSE, _without_cause(evidence))
    found.add(SLOTS, _leaks(evidence))
    found.add(SLOTS, _held_for_long(evidence))
    found.add(PODS, (f"Pod {name} is still there." for name in evidence.pods_left))
    found.add(ONCE, _repeated(evidence))
    found.add(SCHEDULERS, evidence.failures)
    return found.violations


def _lost(evidence: Evidence) -> Iterable[str]:
    for end in evidence.ends:
        if end.state not in FINAL:
            yield f"Task {end.index} is {end.state} for ever (try {end.try_number})."


def _failed_for_nothing(evidence: Evidence) -> Iterable[str]:
    for plan, end in zip(evidence.plans, evidence.ends, strict=True):
        if not plan.succeeds:
            continue
        if end.state == "failed" or end.mismatches:
            why = _said(end) or "nobody said why"
            yield f"Task {plan.index} ({plan.mishap.name}) is {end.state}: {why}"


def _used_tries(evidence: Evidence) -> Iterable[str]:
    for end in evidence.ends:
        if end.try_number != 1:
            yield f"Task {end.index} ended in try {end.try_number}."


def _without_cause(evidence: Evidence) -> Iterable[str]:
    for plan, end in zip(evidence.plans, evidence.ends, strict=True):
        expected = _cause(plan)
        if expected is None:
            continue
        if end.state != "failed":
            yield f"Task {plan.index} was to fail and is {end.state}."
        elif not any(words in each for each in end.mismatches for words in expected):
            yield f"Task {plan.index} failed without {expected[0]!r}: {_said(end)}"


def _said(end: TaskEnd) -> str:
    """What Airflow noted, without its usual words."""
    return " / ".join(
        _MISMATCH.sub(r"the executor says \1, the database \2. ", each).strip()
        for each in end.mismatches
    )


_UNSEEN = (
    "The pod was deleted before it was seen to run.",
    "The pod was deleted while its task was running.",
)


def _cause(plan: Plan) -> tuple[str, ...] | None:
    """Parts of sentences; a failing task must come with one of them."""
    if plan.times >= ENDLESS:
        # Evicted, eviction. If watches were cut while the pod lived, nobody has seen why it went.
        return "vict", *_UNSEEN
    part = {
        Work.OUT_OF_MEMORY: "memory",
        Work.BAD_IMAGE: IMPOSSIBLE_IMAGE,
        Work.NO_SECRET: SECRET.format(index=plan.index),
    }.get(plan.work)
    return None if part is None else (part,)


def _leaks(evidence: Evidence) -> Iterable[str]:
    for status in evidence.statuses:
        if status["slots"] is None:
            yield "A scheduler never said what it holds."
        elif status["slots"] or status["running"] or status["census"]:
            yield (
                f"A scheduler holds {status['slots']} slots, tasks {status['running']} and "
                f"executions {status['census']}."
            )


def _held_for_long(evidence: Evidence) -> Iterable[str]:
    """Leaks of schedulers that did not live to the end.

    A slot is held for as long as the task's pod is there, so time counts from when the server knew
    that the pod was over, should that be later than the task's end: on a busy node it is, by the
    seconds that the container takes to end and the node to say so.
    """
    ended = {
        end.index: max(end.ended, evidence.overs.get(end.index, 0.0))
        for end in evidence.ends
        if end.ended is not None
    }
    for number, life in enumerate(evidence.lives, 1):
        last = next((line for line in reversed(life) if line["what"] == "status"), None)
        for index in last["running"] if last else ():
            held = last["at"] - ended.get(index, last["at"]) if last else 0.0
            if held > _LONG:
                yield f"Scheduler {number} still held task {index} {held:.0f} s after its end."


def _repeated(evidence: Evidence) -> Iterable[str]:
    for number, life in enumerate(evidence.lives, 1):
        given: Counter[int] = Counter()
        heard: Counter[int] = Counter()
        for line in life:
            if line["what"] in ("queued", "adopted"):
                given[line["index"]] += 1
            elif line["what"] == "heard" and line["state"] in FINAL:
                heard[line["index"]] += 1
        for index, count in heard.items():
            if count > given[index]:
                yield (
                    f"Scheduler {number} reported {count} ends of task {index}, which it was "
                    f"given {given[index]} times."
                )
