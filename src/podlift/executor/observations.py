"""What the state machine is told. Times are seconds of a monotonic clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from podlift.executor.state import Trouble


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
    kind: str = ""
    """Sentences of one kind are told once; empty: the sentence itself."""


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
    trouble: Trouble | None = None
    """What is wrong with it."""
    preparing: bool = False
    """A node has it, and nothing in its status says why its containers do not run yet."""


@dataclass(frozen=True, slots=True)
class PodGone:
    """The pod with this uid does not exist any more; an empty uid stands for its name."""

    uid: str


@dataclass(frozen=True, slots=True)
class LogKept:
    """The log is safe, or cannot be had. ``sentence`` is the verdict's, with what events added."""

    sentence: str


@dataclass(frozen=True, slots=True)
class Requeued:
    """Whether Airflow queued the task instance once more; it does not if the task has ended."""

    done: bool


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
    | Requeued
    | DeleteRefused
    | Revoked
    | Released
    | Tick
)
