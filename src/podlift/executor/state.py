"""The words of the state machine: its states, its record and the policy that it follows.

Plain data; what happens with it is in ``transitions``. See ``observations`` and ``effects``. What
is made anew at every step of every task is a struct of msgspec: a dataclass takes ten times as long
to make, and the garbage collector would look at each of thousands.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import msgspec


class State(Enum):
    """Where one execution of a task instance stands."""

    QUEUED = "queued"
    """Waits for its turn to be created."""
    CREATING = "creating"
    """The request that creates its pod is under way."""
    PENDING = "pending"
    """The pod exists; the task has not begun."""
    RUNNING = "running"
    """The task's container has started."""
    REPLACING = "replacing"
    """Another pod of the task instance has to go before the next one may be created."""
    KEEPING_LOG = "keeping log"
    """The pod's end is known; the log is brought to safety before anything else happens."""
    REQUEUEING = "requeueing"
    """Airflow is asked to queue the task instance once more, without counting a try."""
    DELETING = "deleting"
    """Nothing more to do but to see the pod vanish."""
    GONE = "gone"
    """Over. The record can be forgotten."""


class Again(Enum):
    """Why another pod is to follow the one that ended."""

    NO = "no"
    REPLACE = "replace"
    """The infrastructure took the pod away."""
    BEGIN = "begin"
    """There was none: a scheduler ended before it had created one. Nothing was taken away."""
    GO_ON = "go on"
    """The pod did its part; the task may have been deferred, and queued again for the rest."""
    GROW = "grow"
    """It ran out of memory, and the next one gets more."""


class Trouble(msgspec.Struct, frozen=True, gc=False):
    """What is wrong with a pod."""

    cause: str
    """Value of ``podlift.pods.causes.Cause``."""
    sentence: str
    infrastructure: bool = False
    """Not the task's doing: another pod may well succeed."""
    stuck: bool = False
    """It may heal if somebody repairs what the pod or its node needs; that has some time."""
    hopeless: bool = False
    """It cannot heal in this pod."""
    memory: int | None = None
    """Bytes that the container had, where more of them would have helped."""


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """How a pod, and with it an execution, ended; the sentence says why (empty for success)."""

    success: bool
    sentence: str = ""
    cause: str = ""


class Record(msgspec.Struct, frozen=True, gc=False):
    """One execution of a task instance: from ``queue_workload`` to its vanished pod."""

    state: State = State.QUEUED
    launch: int = 1
    """Number of the current pod, part of its name."""
    uid: str = ""
    """The current pod's uid; in REPLACING, the uid of the pod that has to go. Empty if unknown."""
    lost: frozenset[str] = frozenset()
    """Pods that were seen to vanish before the answer to a creation came."""
    replaced: int = 0
    """Pods of this execution that the infrastructure took away."""
    grown: int = 0
    """How often this execution got more memory than before."""
    asked: bool = False
    """Whether the creation of this launch's pod was ever requested: its outcome may be unknown."""
    silent: bool = False
    """Airflow does not want to hear of this execution any more."""
    verdict: Verdict | None = None
    again: Again = Again.NO
    """Whether another pod follows once the log of the one that ended is safe."""
    maybe_former: bool = False
    """Airflow had the task queued when the pod was taken over: the task may have been deferred in
    it, and the pod be about to end. Then its success is not the task's."""
    ended: bool = False
    """The task's container has run for the last time in this pod, or never will."""
    trouble: Trouble | None = None
    """What is known to be wrong with the pod."""
    told: frozenset[str] = frozenset()
    """What the user has been told already about this pod."""
    since: float | None = None
    """When the condition that a timeout counts from began: stuck, ending, replacing, deleting."""
    waiting: float | None = None
    """When the task began to wait for its container to start."""
    deleted_again: bool = False
    """Whether the deletion was asked for a second time."""
    look: float | None = None
    """When to look at the pod's events: it does not start, and its status does not say why."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What a deployment decided, and the patience we have. Times are in seconds."""

    infrastructure_retries: int = 3
    pending_failure_timeout: float = 120.0
    pending_timeout: float = 0.0
    """How long a task may wait for its container to start; 0 for ever, as far as we care."""
    memory_factor: float = 1.0
    """By how much the next pod's memory is more, after one ran out of it; 1 for not at all."""
    memory_ceiling: int | None = None
    """Bytes that it never asks for more than."""
    delete_succeeded: bool = True
    delete_failed: bool = True
    ending_timeout: float = 5.0
    """How long a pod may take from its main container's failure to its own end, whose reason says
    more than the exit code: evicted, deadline exceeded."""
    replacing_patience: float = 30.0
    """How long an earlier execution's pod gets to end by itself before it is deleted."""
    deleting_patience: float = 30.0
    """How long after the request to delete a pod we wait to hear that it is gone, before we ask
    again: a pod that the watch never told of, because it went too soon, is not told to be gone."""
    deleting_timeout: float = 300.0
    """How long we wait for a pod to vanish; a lost node can hold it for ever."""
    look_after: float = 15.0
    """When to ask for a pod's events first, if it does not start and does not say why."""
    look_every: float = 60.0
