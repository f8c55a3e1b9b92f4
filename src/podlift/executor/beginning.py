"""Transitions of the first half of an execution: until its task begins, or never will.

Pure functions for the table in ``transitions``.
"""

from __future__ import annotations

from msgspec.structs import replace

from podlift.executor.effects import Announce, Create, Delete, LookAtEvents, Tell
from podlift.executor.ending import Step, create_next, delete, end, gone, judge, run
from podlift.executor.observations import (
    CreateBegun,
    Created,
    CreateDelayed,
    CreateRefused,
    NameTaken,
    PodGone,
    PodSeen,
    Revoked,
    Tick,
)
from podlift.executor.state import Policy, Record, State, Trouble, Verdict
from podlift.pods.causes import Cause

_GONE_PENDING = Trouble(
    Cause.VANISHED, "The pod was deleted before it was seen to run.", infrastructure=True
)


# Creating


def begin(record: Record, _: CreateBegun, policy: Policy) -> Step:
    return replace(record, state=State.CREATING, asked=True), []


def created(record: Record, seen: Created, policy: Policy) -> Step:
    vanished = seen.uid in record.lost
    record = replace(record, uid=seen.uid, lost=frozenset())
    if record.silent:
        return delete(record)
    if vanished:
        return lose(record, PodGone(seen.uid), policy)
    return replace(record, state=State.PENDING, trouble=None, since=None), [Announce()]


def seen_before_answer(record: Record, seen: PodSeen, policy: Policy) -> Step:
    """The watch can be faster than the answer to the request that created the pod."""
    record, effects = created(record, Created(seen.uid), policy)
    if record.state is not State.PENDING:
        return record, effects
    record, more = pend(record, seen, policy)
    return record, effects + more


def delayed(record: Record, delay: CreateDelayed, policy: Policy) -> Step:
    if record.silent:  # the request may have been carried out all the same
        return delete(record)
    trouble = Trouble(delay.kind or delay.sentence, delay.sentence)
    record, effects = _tell(replace(record, state=State.QUEUED, trouble=trouble))
    return record, [Create(record.launch, delay.wait), *effects]


def refused(record: Record, refusal: CreateRefused, policy: Policy) -> Step:
    if record.silent:
        return gone(record)
    return judge(replace(record, ended=True), Verdict(False, refusal.sentence))


def name_taken(record: Record, taken: NameTaken, policy: Policy) -> Step:
    if record.silent:
        return gone(record)
    if taken.ended:
        return create_next(record)
    return replace(record, state=State.REPLACING, uid=taken.uid, since=None), []


def vanished_before_answer(record: Record, gone: PodGone, policy: Policy) -> Step:
    return replace(record, lost=record.lost | {gone.uid}), []


# Making room


def in_the_way(record: Record, seen: PodSeen, policy: Policy) -> Step:
    return create_next(record) if seen.finished else (record, [])


def room_made(record: Record, _: PodGone, policy: Policy) -> Step:
    return create_next(record)


def still_in_the_way(record: Record, tick: Tick, policy: Policy) -> Step:
    if record.since is None:
        return replace(record, since=tick.now), []
    waited = tick.now - record.since
    if waited >= policy.deleting_timeout:
        sentence = "An earlier pod of this task is still there and does not go away."
        return judge(replace(record, uid="", ended=True), Verdict(False, sentence))
    if waited >= policy.replacing_patience and record.trouble is None:
        sentence = "An earlier pod of this task is still running; it is being deleted."
        record = replace(record, trouble=Trouble("replacing", sentence))
        return record, [Tell(sentence), Delete(record.uid)]
    return record, []


def revoked_while_replacing(record: Record, _: Revoked, policy: Policy) -> Step:
    return gone(replace(record, silent=True))


# Waiting for the task to begin


def pend(record: Record, seen: PodSeen, policy: Policy) -> Step:
    trouble = seen.trouble
    record = replace(record, trouble=trouble)
    if seen.started:
        begun = replace(record, state=State.RUNNING, since=None, waiting=None, look=None)
        return run(begun, seen, policy)
    if seen.finished:
        return end(record, seen.exit_code == 0, policy)
    if trouble is not None and trouble.hopeless and not trouble.infrastructure:
        return judge(record, Verdict(False, trouble.sentence, trouble.cause))
    stuck = trouble is not None and trouble.stuck
    record = replace(
        record,
        since=_first(record.since, seen.now) if stuck else None,
        look=_first(record.look, seen.now + policy.look_after) if seen.preparing else None,
    )
    return _tell(record)


def lose(record: Record, _: PodGone, policy: Policy) -> Step:
    if record.trouble is None or not record.trouble.infrastructure:
        record = replace(record, trouble=_GONE_PENDING)
    return end(record, False, policy)


def still_pending(record: Record, tick: Tick, policy: Policy) -> Step:
    if record.since is not None and tick.now - record.since >= policy.pending_failure_timeout:
        trouble = record.trouble
        assert trouble is not None  # since counts from it
        if trouble.infrastructure:  # elsewhere it may go better: another follows once it is gone
            given_up = Tell(f"{trouble.sentence} The pod is given up.")
            return replace(record, since=None), [given_up, Delete(record.uid)]
        return judge(record, Verdict(False, trouble.sentence, trouble.cause))
    if record.look is not None and tick.now >= record.look:
        return replace(record, look=tick.now + policy.look_every), [LookAtEvents()]
    return still_waiting(record, tick, policy)


def still_waiting(record: Record, tick: Tick, policy: Policy) -> Step:
    """Queued or pending: ``pending_timeout`` counts from the first request for a pod."""
    if not policy.pending_timeout or not has_asked(record):
        return record, []
    if record.waiting is None:
        return replace(record, waiting=tick.now), []
    if tick.now - record.waiting < policy.pending_timeout:
        return record, []
    sentence = f"The task waited longer than {policy.pending_timeout:g} seconds for its pod."
    cause = ""
    if record.trouble is not None:
        sentence, cause = f"{sentence} {record.trouble.sentence}", record.trouble.cause
    return judge(record, Verdict(False, sentence, cause))


def has_asked(record: Record) -> bool:
    """Whether a pod was requested for it, now or for an earlier launch."""
    return record.asked or record.waiting is not None


def _tell(record: Record) -> Step:
    """Each trouble of a pod is told once, however its words and its counts change."""
    trouble = record.trouble
    if trouble is None or trouble.cause in record.told:
        return record, []
    return replace(record, told=record.told | {trouble.cause}), [Tell(trouble.sentence)]


def _first(known: float | None, now: float) -> float:
    return now if known is None else known
