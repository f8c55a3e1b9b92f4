"""The whole life of an execution in one table.

``reduce`` is pure: a record and an observation give the next record and what is to be done. It
keeps these promises, which ``tests/unit/executor/test_transitions.py`` tries to break:

- an end is reported once at most, and never after the scheduler took the task back;
- no pod is created while another one of the execution may be alive;
- every execution ends, as soon as its pod does.

An observation that is not in the table for a state changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

from podlift.executor.state import (
    Announce,
    Create,
    CreateBegun,
    Created,
    CreateDelayed,
    CreateRefused,
    Delete,
    DeleteRefused,
    Effect,
    Forget,
    KeepLog,
    LogKept,
    NameTaken,
    Observation,
    PodGone,
    PodSeen,
    Policy,
    Record,
    Released,
    Report,
    Revoked,
    State,
    Tell,
    Tick,
    Verdict,
)

Step: TypeAlias = tuple[Record, list[Effect]]
Handler: TypeAlias = Callable[[Record, Any, Policy], Step]


def reduce(record: Record, observation: Observation, policy: Policy) -> Step:
    """The record after the observation, and the effects to carry out, in order."""
    if _about_another_pod(record, observation):
        return record, []
    handler = TABLE.get((record.state, type(observation)))
    return handler(record, observation, policy) if handler else (record, [])


def _about_another_pod(record: Record, observation: Observation) -> bool:
    return (
        isinstance(observation, PodSeen | PodGone)
        and bool(record.uid and observation.uid)
        and record.uid != observation.uid
    )


# Creating


def _begin(record: Record, _: CreateBegun, policy: Policy) -> Step:
    return replace(record, state=State.CREATING, asked=True), []


def _created(record: Record, seen: Created, policy: Policy) -> Step:
    if seen.uid == record.lost_uid:
        return _lost(replace(record, uid=seen.uid), PodGone(seen.uid), policy)
    record = replace(record, uid=seen.uid, lost_uid="")
    if record.silent:
        return _delete(record)
    return replace(record, state=State.PENDING, problem="", since=None), [Announce()]


def _seen_before_answer(record: Record, seen: PodSeen, policy: Policy) -> Step:
    """The watch can be faster than the answer to the request that created the pod."""
    record, effects = _created(record, Created(seen.uid), policy)
    if record.state is not State.PENDING:
        return record, effects
    record, more = _pending(record, seen, policy)
    return record, effects + more


def _delayed(record: Record, delay: CreateDelayed, policy: Policy) -> Step:
    if record.silent:  # the request may have been carried out all the same
        return _delete(record)
    effects: list[Effect] = [Create(record.launch, record.replaced, delay.wait)]
    if delay.sentence != record.problem:
        effects.append(Tell(delay.sentence))
    return replace(record, state=State.QUEUED, problem=delay.sentence), effects


def _refused(record: Record, refusal: CreateRefused, policy: Policy) -> Step:
    if record.silent:
        return _gone(record)
    return _judge(replace(record, ended=True), Verdict(False, refusal.sentence))


def _name_taken(record: Record, taken: NameTaken, policy: Policy) -> Step:
    if record.silent:
        return _gone(record)
    if taken.ended:
        return _create_next(record)
    return replace(record, state=State.REPLACING, uid=taken.uid, since=None), []


def _vanished_before_answer(record: Record, gone: PodGone, policy: Policy) -> Step:
    return replace(record, lost_uid=gone.uid), []


def _create_next(record: Record) -> Step:
    record = replace(
        record, state=State.QUEUED, launch=record.launch + 1, uid="", lost_uid="", since=None
    )
    return record, [Create(record.launch, record.replaced)]


# Waiting for the task to begin


def _pending(record: Record, seen: PodSeen, policy: Policy) -> Step:
    if seen.started:
        return _running(replace(record, state=State.RUNNING, since=None, problem=""), seen, policy)
    if seen.finished:
        record = replace(record, ended=True)
        if seen.infrastructure:
            return _replace_pod(record, seen.problem, policy)
        return _judge(record, _verdict(seen))
    if seen.hopeless and not seen.infrastructure:
        return _judge(record, Verdict(False, seen.problem))
    effects: list[Effect] = []
    if seen.problem and seen.problem != record.problem:
        effects.append(Tell(seen.problem))
    since = None
    if seen.stuck:
        since = seen.now if record.since is None else record.since
    return replace(record, problem=seen.problem, since=since), effects


def _lost(record: Record, _: PodGone, policy: Policy) -> Step:
    sentence = record.problem or "The pod was deleted before its task began."
    return _replace_pod(replace(record, ended=True), sentence, policy)


def _replace_pod(record: Record, why: str, policy: Policy) -> Step:
    """The infrastructure took an ended pod away before the task began: start another one."""
    if record.silent:
        return _delete(record)
    if not record.replaceable or record.replaced >= policy.infrastructure_retries:
        return _judge(record, Verdict(False, why))
    old = record.uid
    record, effects = _create_next(replace(record, replaced=record.replaced + 1, ended=False))
    return record, [Tell(f"{why} Another pod is started."), Delete(old), *effects]


def _still_stuck(record: Record, tick: Tick, policy: Policy) -> Step:
    if record.since is None or tick.now - record.since < policy.pending_failure_timeout:
        return record, []
    return _judge(record, Verdict(False, record.problem))


# Running


def _running(record: Record, seen: PodSeen, policy: Policy) -> Step:
    record = replace(record, problem=seen.problem)
    if seen.finished:
        return _judge(replace(record, ended=True), _verdict(seen))
    if seen.exit_code == 0:
        return _judge(replace(record, ended=True), Verdict(True))
    if seen.exit_code is not None and record.since is None:
        return replace(record, since=seen.now), []
    return record, []


def _still_ending(record: Record, tick: Tick, policy: Policy) -> Step:
    if record.since is None or tick.now - record.since < policy.ending_timeout:
        return record, []
    sentence = record.problem or "The task's container failed."
    return _judge(replace(record, ended=True), Verdict(False, sentence))


def _cut_off(record: Record, _: PodGone, policy: Policy) -> Step:
    # The policy for what the infrastructure takes away in the middle of a task belongs here; today
    # it is the task's own retries.
    sentence = record.problem or "The pod was deleted while its task was running."
    return _judge(replace(record, ended=True), Verdict(False, sentence))


# Making room


def _in_the_way(record: Record, seen: PodSeen, policy: Policy) -> Step:
    return _create_next(record) if seen.finished else (record, [])


def _room_made(record: Record, _: PodGone, policy: Policy) -> Step:
    return _create_next(record)


def _still_in_the_way(record: Record, tick: Tick, policy: Policy) -> Step:
    if record.since is None:
        return replace(record, since=tick.now), []
    waited = tick.now - record.since
    if waited >= policy.deleting_timeout:
        sentence = "An earlier pod of this task is still there and does not go away."
        return _judge(replace(record, uid="", ended=True), Verdict(False, sentence))
    if waited >= policy.replacing_patience and not record.problem:
        sentence = "An earlier pod of this task is still running; it is being deleted."
        return replace(record, problem=sentence), [Tell(sentence), Delete(record.uid)]
    return record, []


def _revoked_while_replacing(record: Record, _: Revoked, policy: Policy) -> Step:
    return _gone(replace(record, silent=True))


# Ending


def _verdict(seen: PodSeen) -> Verdict:
    if seen.exit_code == 0:
        return Verdict(True)
    return Verdict(False, seen.problem or "The pod ended without an exit code of its task.")


def _judge(record: Record, verdict: Verdict) -> Step:
    record = replace(record, state=State.KEEPING_LOG, verdict=verdict, since=None)
    return record, [KeepLog(verdict)]


def _kept(record: Record, kept: LogKept, policy: Policy) -> Step:
    assert record.verdict is not None  # set on the way into this state
    verdict = replace(record.verdict, sentence=kept.sentence)
    effects: list[Effect] = [] if record.silent else [Report(verdict)]
    # A pod in which the task could still begin is never left behind.
    wanted = not (policy.delete_succeeded if verdict.success else policy.delete_failed)
    leave = not record.uid or (wanted and record.ended)
    step = _gone(record) if leave else _delete(record)
    return replace(step[0], silent=True), effects + step[1]


def _ended_meanwhile(record: Record, seen: PodSeen, policy: Policy) -> Step:
    return (replace(record, ended=True) if seen.finished else record), []


def _vanished_meanwhile(record: Record, _: PodGone, policy: Policy) -> Step:
    return replace(record, uid="", ended=True), []


def _delete(record: Record) -> Step:
    return replace(record, state=State.DELETING, since=None), [Delete(record.uid)]


def _gone(record: Record, *_: object) -> Step:
    return replace(record, state=State.GONE, uid=""), [Forget()]


def _still_deleting(record: Record, tick: Tick, policy: Policy) -> Step:
    if record.since is None:
        return replace(record, since=tick.now), []
    waited = tick.now - record.since
    return _gone(record) if waited >= policy.deleting_timeout else (record, [])


# Taking back and handing over


def _unqueue(record: Record, _: Revoked, policy: Policy) -> Step:
    record = replace(record, silent=True)
    return _delete(record) if record.asked else _gone(record)


def _silence(record: Record, _: Revoked, policy: Policy) -> Step:
    return replace(record, silent=True), []


def _take_back(record: Record, _: Revoked, policy: Policy) -> Step:
    return _delete(replace(record, silent=True))


def _release(record: Record, _: Released, policy: Policy) -> Step:
    return _gone(replace(record, silent=True))


S = State
TABLE: dict[tuple[State, type], Handler] = {
    (S.QUEUED, CreateBegun): _begin,
    (S.QUEUED, PodSeen): _seen_before_answer,
    (S.QUEUED, Revoked): _unqueue,
    (S.QUEUED, Released): _release,
    (S.CREATING, Created): _created,
    (S.CREATING, CreateDelayed): _delayed,
    (S.CREATING, CreateRefused): _refused,
    (S.CREATING, NameTaken): _name_taken,
    (S.CREATING, PodSeen): _seen_before_answer,
    (S.CREATING, PodGone): _vanished_before_answer,
    (S.CREATING, Revoked): _silence,
    (S.CREATING, Released): _release,
    (S.PENDING, PodSeen): _pending,
    (S.PENDING, PodGone): _lost,
    (S.PENDING, Tick): _still_stuck,
    (S.PENDING, Revoked): _take_back,
    (S.PENDING, Released): _release,
    (S.RUNNING, PodSeen): _running,
    (S.RUNNING, PodGone): _cut_off,
    (S.RUNNING, Tick): _still_ending,
    (S.RUNNING, Revoked): _take_back,
    (S.RUNNING, Released): _release,
    (S.REPLACING, PodSeen): _in_the_way,
    (S.REPLACING, PodGone): _room_made,
    (S.REPLACING, Tick): _still_in_the_way,
    (S.REPLACING, Revoked): _revoked_while_replacing,
    (S.KEEPING_LOG, LogKept): _kept,
    (S.KEEPING_LOG, PodSeen): _ended_meanwhile,
    (S.KEEPING_LOG, PodGone): _vanished_meanwhile,
    (S.KEEPING_LOG, Revoked): _silence,
    (S.KEEPING_LOG, Released): _release,
    (S.DELETING, PodGone): _gone,
    (S.DELETING, DeleteRefused): _gone,
    (S.DELETING, Tick): _still_deleting,
    (S.DELETING, Released): _release,
}
