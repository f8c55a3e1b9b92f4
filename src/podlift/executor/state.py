"""The words of the state machine: states, what is observed, what is to be done.

Plain data; what happens with it is in ``transitions``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias


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
    """The end is known; the log is brought to safety before it is reported."""
    DELETING = "deleting"
    """Nothing more to do but to see the pod vanish."""
    GONE = "gone"
    """Over. The record can be forgotten."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How an execution ended, and why in a sentence (empty for success)."""

    success: bool
    sentence: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """One execution of a task instance: from ``queue_workload`` to its vanished pod."""

    state: State = State.QUEUED
    launch: int = 1
    """Number of the current pod, part of its name."""
    uid: str = ""
    """The current pod's uid; in REPLACING, the uid of the pod that has to go. Empty if unknown."""
    lost_uid: str = ""
    """A pod that was seen to vanish before the answer to its creation came."""
    replaced: int = 0
    """Pods of this execution that the infrastructure took away before the task began."""
    replaceable: bool = True
    """Whether we could create the pod again; an adopted one came without its workload."""
    asked: bool = False
    """Whether a creation was ever requested: its outcome may be unknown."""
    silent: bool = False
    """Airflow does not want to hear of this execution any more."""
    verdict: Verdict | None = None
    ended: bool = False
    """The task's container has run for the last time, or never will."""
    problem: str = ""
    """What is known to be wrong with the pod, last told to the user."""
    since: float | None = None
    """When the condition that a timeout counts from began: stuck, ending, replacing, deleting."""


# What is observed. Times are seconds of a monotonic clock.


@dataclass(frozen=True, slots=True)
class CreateBegun:
    """The request that creates the pod is being sent."""


@dataclass(frozen=True, slots=True)
class Created:
    """The pod exists: the server made it, or had made it for an earlier try of this request."""

    uid: str


@dataclass(frozen=True, slots=True)
class CreateDelayed:
    """The server is busy, unreachable or its quota used up. The pod may or may not exist."""

    sentence: str
    wait: float


@dataclass(frozen=True, slots=True)
class CreateRefused:
    """The pod can never be created like this."""

    sentence: str


@dataclass(frozen=True, slots=True)
class NameTaken:
    """A pod of an earlier execution of the same task instance has the name."""

    uid: str
    ended: bool


@dataclass(frozen=True, slots=True)
class PodSeen:
    """The pod as the server reports it, reduced to what matters here."""

    uid: str
    now: float
    started: bool = False
    """The task's container ran."""
    exit_code: int | None = None
    """Of the task's container, once observed."""
    finished: bool = False
    """Nothing in the pod will run again."""
    problem: str = ""
    """What is wrong with it, in words."""
    infrastructure: bool = False
    """The problem is not the task's."""
    stuck: bool = False
    """The problem only heals if somebody repairs what the pod needs."""
    hopeless: bool = False
    """The problem cannot heal in this pod."""


@dataclass(frozen=True, slots=True)
class PodGone:
    """The pod with this uid does not exist any more; an empty uid stands for its name."""

    uid: str


@dataclass(frozen=True, slots=True)
class LogKept:
    """The log is safe, or cannot be had. ``sentence`` is the verdict's, with what events added."""

    sentence: str


@dataclass(frozen=True, slots=True)
class DeleteRefused:
    """We may not delete the pod."""

    sentence: str


@dataclass(frozen=True, slots=True)
class Revoked:
    """The scheduler takes the task back."""


@dataclass(frozen=True, slots=True)
class Released:
    """Another scheduler owns the pod now."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passes."""

    now: float


Observation: TypeAlias = (
    CreateBegun
    | Created
    | CreateDelayed
    | CreateRefused
    | NameTaken
    | PodSeen
    | PodGone
    | LogKept
    | DeleteRefused
    | Revoked
    | Released
    | Tick
)


# What is to be done.


@dataclass(frozen=True, slots=True)
class Create:
    """Create the pod with this launch number, not before ``wait`` seconds have passed."""

    launch: int
    replaced: int = 0
    wait: float = 0.0


@dataclass(frozen=True, slots=True)
class Announce:
    """Tell Airflow that the pod exists, and its name."""


@dataclass(frozen=True, slots=True)
class Tell:
    """Add a sentence to the task's event log."""

    sentence: str


@dataclass(frozen=True, slots=True)
class KeepLog:
    """Bring the log to safety, with the cause if the verdict is a failure."""

    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Report:
    """Tell Airflow how the execution ended."""

    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete the pod with this uid; an empty uid means: whatever has our name."""

    uid: str


@dataclass(frozen=True, slots=True)
class Forget:
    """Drop the record."""


Effect: TypeAlias = Create | Announce | Tell | KeepLog | Report | Delete | Forget


@dataclass(frozen=True, slots=True)
class Policy:
    """What a deployment decided, and the patience we have. Times are in seconds."""

    infrastructure_retries: int = 3
    pending_failure_timeout: float = 120.0
    delete_succeeded: bool = True
    delete_failed: bool = True
    ending_timeout: float = 5.0
    """How long a pod may take from its main container's failure to its own end, whose reason says
    more than the exit code: evicted, deadline exceeded."""
    replacing_patience: float = 30.0
    """How long an earlier execution's pod gets to end by itself before it is deleted."""
    deleting_timeout: float = 300.0
    """How long we wait for a pod to vanish; a lost node can hold it for ever."""
