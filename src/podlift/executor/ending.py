"""Transitions of the second half of an execution: running, ended, another pod or the report.

Pure functions for the table in ``transitions``.
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec.structs import replace

from podlift.executor.effects import Create, Delete, Effect, Forget, KeepLog, Report, Requeue, Tell
from podlift.executor.observations import (
    FoundQueued,
    LogKept,
    PodGone,
    PodSeen,
    Requeued,
    Revoked,
    Tick,
)
from podlift.executor.state import Again, Policy, Record, State, Trouble, Verdict
from podlift.pods.causes import Cause

Step: TypeAlias = tuple[Record, list[Effect]]

_GONE_RUNNING = Trouble(
    Cause.VANISHED, "The pod was deleted while its task was running.", infrastructure=True
)
_ENDINGS = {1: "st", 2: "nd", 3: "rd"}
_DEFERRED = "The task was deferred or rescheduled in that pod, and has been queued again."
_UNEXPLAINED = Trouble(Cause.UNREPORTED, "The pod ended without an exit code of its task.")


# Running


def run(record: Record, seen: PodSeen, policy: Policy) -> Step:
    record = replace(record, trouble=seen.trouble)
    if seen.exit_code == 0 or seen.finished:
        return end(record, seen.exit_code == 0, policy)
    if seen.exit_code is not None and record.since is None:
        return replace(record, since=seen.now), []
    return record, []


def still_ending(record: Record, tick: Tick, policy: Policy) -> Step:
    if record.since is None or tick.now - record.since < policy.ending_timeout:
        return record, []
    return end(record, False, policy)


def cut_off(record: Record, _: PodGone, policy: Policy) -> Step:
    if record.since is None and not (record.trouble and record.trouble.infrastructure):
        record = replace(record, trouble=_GONE_RUNNING)
    return end(record, False, policy)


# Taken over


def doubt(record: Record, _: FoundQueued, policy: Policy) -> Step:
    return replace(record, maybe_former=True), []


def doubt_success(record: Record, found: FoundQueued, policy: Policy) -> Step:
    success = record.verdict is not None and record.verdict.success
    return (replace(record, again=Again.GO_ON) if success else record), []


# The task's container has ended, or never will begin


def end(record: Record, success: bool, policy: Policy) -> Step:
    """Nothing of the task runs in this pod any more."""
    record = replace(record, ended=True)
    if success:
        again = Again.GO_ON if record.maybe_former else Again.NO
        return judge(replace(record, again=again), Verdict(True))
    trouble = record.trouble or _UNEXPLAINED
    record = replace(record, again=_again(record, trouble, policy))
    sentence = trouble.sentence
    if trouble.infrastructure and record.again is Again.NO:
        sentence = f"{sentence} {_used_up(record, policy)}"
    return judge(record, Verdict(False, sentence, trouble.cause))


def _used_up(record: Record, policy: Policy) -> str:
    """That the task failed although it was not to blame, and why no other pod follows."""
    number = record.replaced + record.grown + 1
    ending = "th" if number % 100 in (11, 12, 13) else _ENDINGS.get(number % 10, "th")
    return (
        f"This was the {number}{ending} pod; "
        f"infrastructure_retries is {policy.infrastructure_retries}."
    )


def judge(record: Record, verdict: Verdict) -> Step:
    record = replace(record, state=State.KEEPING_LOG, verdict=verdict, since=None)
    return record, [KeepLog(verdict, record.again is not Again.NO)]


def _again(record: Record, trouble: Trouble, policy: Policy) -> Again:
    if trouble.infrastructure:
        left = record.replaced < policy.infrastructure_retries
        return Again.REPLACE if left else Again.NO
    if trouble.memory is None or record.grown >= policy.infrastructure_retries:
        return Again.NO
    ceiling = policy.memory_ceiling
    more = policy.memory_factor > 1 and (ceiling is None or trouble.memory < ceiling)
    return Again.GROW if more else Again.NO


def kept(record: Record, kept: LogKept, policy: Policy) -> Step:
    assert record.verdict is not None  # set on the way into this state
    verdict = replace(record.verdict, sentence=kept.sentence)
    record = replace(record, verdict=verdict)
    if record.again is Again.NO or record.silent:
        return _report(record, policy)
    requeue = Requeue(record.launch + 1, verdict.cause)
    return replace(record, state=State.REQUEUEING), [requeue]


def requeued(record: Record, answer: Requeued, policy: Policy) -> Step:
    """Airflow's answer decides: the task may have told it its end while its pod went down."""
    if record.silent or not answer.done:
        return _report(record, policy)
    assert record.verdict is not None
    why = record.verdict.sentence
    effects: list[Effect] = [Delete(record.uid)] if record.uid else []
    match record.again:
        case Again.GROW:
            why = f"{why} Another pod is started, with more memory."
            record = replace(record, grown=record.grown + 1)
        case Again.BEGIN:
            why = f"{why} It gets one."
        case Again.GO_ON:
            why = f"{_DEFERRED} It gets another pod."
            record = replace(record, replaced=0, grown=0)
        case _:
            why = f"{why} Another pod is started."
            record = replace(record, replaced=record.replaced + 1)
    record, more = create_next(record)
    return record, [Tell(why), *effects, *more]


def create_next(record: Record) -> Step:
    """The next pod, once nothing of the one before can run any more."""
    record = replace(
        record,
        state=State.QUEUED,
        launch=record.launch + 1,
        uid="",
        asked=False,
        lost=frozenset(),
        verdict=None,
        again=Again.NO,
        maybe_former=False,
        ended=False,
        trouble=None,
        told=frozenset(),
        since=None,
        look=None,
    )
    return record, [Create(record.launch)]


def _report(record: Record, policy: Policy) -> Step:
    verdict = record.verdict
    assert verdict is not None
    effects: list[Effect] = [] if record.silent else [Report(verdict)]
    if not record.silent and not verdict.success and verdict.cause != Cause.FAILED:
        # Where the log is lost with the scheduler's disk, the event log still says why.
        effects.insert(0, Tell(verdict.sentence))
    wanted = not (policy.delete_succeeded if verdict.success else policy.delete_failed)
    # A pod in which the task could still begin is never left behind.
    over = record.ended or not record.asked
    leave = over and (wanted or not record.uid)
    record, more = gone(record) if leave else delete(record)
    return replace(record, silent=True, again=Again.NO), effects + more


def ended_meanwhile(record: Record, seen: PodSeen, policy: Policy) -> Step:
    return (replace(record, ended=True) if seen.finished else record), []


def vanished_meanwhile(record: Record, _: PodGone, policy: Policy) -> Step:
    return replace(record, uid="", ended=True), []


# Deleting, taking back and handing over


def delete(record: Record) -> Step:
    return replace(record, state=State.DELETING, since=None), [Delete(record.uid)]


def vanished(record: Record, _: PodGone, policy: Policy) -> Step:
    return gone(replace(record, ended=True))


def gone(record: Record, *_: object) -> Step:
    return replace(record, state=State.GONE, uid=""), [Forget()]


def still_deleting(record: Record, tick: Tick, policy: Policy) -> Step:
    if record.since is None:
        return replace(record, since=tick.now), []
    waited = tick.now - record.since
    if waited >= policy.deleting_timeout:
        return gone(record)
    if waited >= policy.deleting_patience and not record.deleted_again:
        return replace(record, deleted_again=True), [Delete(record.uid)]
    return record, []


def unqueue(record: Record, _: Revoked, policy: Policy) -> Step:
    record = replace(record, silent=True)
    return delete(record) if record.asked else gone(record)


def silence(record: Record, _: Revoked, policy: Policy) -> Step:
    return replace(record, silent=True), []


def take_back(record: Record, _: Revoked, policy: Policy) -> Step:
    return delete(replace(record, silent=True))


def release(record: Record, *_: object) -> Step:
    return gone(replace(record, silent=True))
