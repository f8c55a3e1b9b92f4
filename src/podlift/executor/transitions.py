"""The whole life of an execution in one table.

``reduce`` is pure: a record and an observation give the next record and what is to be done. It
keeps these promises, which ``tests/unit/executor/test_transitions.py`` tries to break:

- an end is reported once at most, and never after the scheduler took the task back;
- no pod is created while another one of the execution may be alive;
- every execution ends, as soon as its pod does;
- the infrastructure fails no task before its retries are used up, if Airflow lets it start again.

An observation that is not in the table for a state changes nothing. What the names on the right
mean is in ``beginning`` (until the task runs) and ``ending`` (from then on).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from podlift.executor import beginning as b
from podlift.executor import ending as e
from podlift.executor.ending import Step
from podlift.executor.observations import (
    CreateBegun,
    Created,
    CreateDelayed,
    CreateRefused,
    DeleteRefused,
    FoundQueued,
    LogKept,
    NameTaken,
    Observation,
    PodGone,
    PodSeen,
    Released,
    Requeued,
    Revoked,
    Tick,
)
from podlift.executor.state import Policy, Record, State

Handler: TypeAlias = Callable[[Record, Any, Policy], Step]


def reduce(record: Record, observation: Observation, policy: Policy) -> Step:
    """The record after the observation, and the effects to carry out, in order."""
    if _about_another_pod(record, observation):
        return record, []
    handler = TABLE.get((record.state, type(observation)))
    return handler(record, observation, policy) if handler else (record, [])


def needs_time(record: Record, policy: Policy) -> bool:
    """Whether a ``Tick`` can mean anything to the record now. Most tasks run, and need none."""
    match record.state:
        case State.QUEUED:
            return b.has_asked(record) and policy.pending_timeout > 0
        case State.PENDING:
            timed = record.since is not None or record.look is not None
            return timed or policy.pending_timeout > 0
        case State.RUNNING:
            return record.since is not None
    return (record.state, Tick) in TABLE


def _about_another_pod(record: Record, observation: Observation) -> bool:
    return (
        isinstance(observation, PodSeen | PodGone)
        and bool(record.uid and observation.uid)
        and record.uid != observation.uid
    )


S = State
TABLE: dict[tuple[State, type], Handler] = {
    # Its pod is created when it is its turn.
    (S.QUEUED, CreateBegun): b.begin,
    (S.QUEUED, PodSeen): b.seen_before_answer,
    (S.QUEUED, Tick): b.still_waiting,
    (S.QUEUED, Revoked): e.unqueue,
    (S.QUEUED, Released): e.release,
    (S.CREATING, Created): b.created,
    (S.CREATING, CreateDelayed): b.delayed,
    (S.CREATING, CreateRefused): b.refused,
    (S.CREATING, NameTaken): b.name_taken,
    (S.CREATING, PodSeen): b.seen_before_answer,
    (S.CREATING, PodGone): b.vanished_before_answer,
    (S.CREATING, FoundQueued): e.doubt,
    (S.CREATING, Revoked): e.silence,
    (S.CREATING, Released): e.release,
    # A pod of an earlier execution has its name.
    (S.REPLACING, PodSeen): b.in_the_way,
    (S.REPLACING, PodGone): b.room_made,
    (S.REPLACING, Tick): b.still_in_the_way,
    (S.REPLACING, Revoked): b.revoked_while_replacing,
    (S.REPLACING, Released): e.release,
    # The pod is there, the task has not begun.
    (S.PENDING, PodSeen): b.pend,
    (S.PENDING, PodGone): b.lose,
    (S.PENDING, Tick): b.still_pending,
    (S.PENDING, FoundQueued): e.doubt,
    (S.PENDING, Revoked): e.take_back,
    (S.PENDING, Released): e.release,
    # The task runs.
    (S.RUNNING, PodSeen): e.run,
    (S.RUNNING, PodGone): e.cut_off,
    (S.RUNNING, Tick): e.still_ending,
    (S.RUNNING, FoundQueued): e.doubt,
    (S.RUNNING, Revoked): e.take_back,
    (S.RUNNING, Released): e.release,
    # It ended: its log is kept, and then it is reported, or queued again for another pod.
    (S.KEEPING_LOG, LogKept): e.kept,
    (S.KEEPING_LOG, PodSeen): e.ended_meanwhile,
    (S.KEEPING_LOG, PodGone): e.vanished_meanwhile,
    (S.KEEPING_LOG, FoundQueued): e.doubt_success,
    (S.KEEPING_LOG, Revoked): e.silence,
    (S.KEEPING_LOG, Released): e.release,
    (S.REQUEUEING, Requeued): e.requeued,
    (S.REQUEUEING, PodGone): e.vanished_meanwhile,
    (S.REQUEUEING, Revoked): e.silence,
    (S.REQUEUEING, Released): e.release,
    # The pod is deleted.
    (S.DELETING, PodGone): e.vanished,
    (S.DELETING, DeleteRefused): e.gone,
    (S.DELETING, Tick): e.still_deleting,
    (S.DELETING, Released): e.gone,
}
