"""What the state machine is told. Times are seconds of a monotonic clock."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from podlift.executor.state import Trouble


class CreateBegun(msgspec.Struct, frozen=True, gc=False):
    """The request that creates the pod is being sent."""


class Created(msgspec.Struct, frozen=True, gc=False):
    """The pod exists: the server made it, or had made it for an earlier try of this request."""

    uid: str


class CreateDelayed(msgspec.Struct, frozen=True, gc=False):
    """The server is busy, unreachable or its quota used up. The pod may or may not exist."""

    sentence: str
    wait: float
    kind: str = ""
    """Sentences of one kind are told once; empty: the sentence itself."""


class CreateRefused(msgspec.Struct, frozen=True, gc=False):
    """The pod can never be created like this."""

    sentence: str


class NameTaken(msgspec.Struct, frozen=True, gc=False):
    """A pod of an earlier execution of the same task instance has the name."""

    uid: str
    ended: bool


class PodSeen(msgspec.Struct, frozen=True, gc=False):
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


class PodGone(msgspec.Struct, frozen=True, gc=False):
    """The pod with this uid does not exist any more; an empty uid stands for its name."""

    uid: str


class LogKept(msgspec.Struct, frozen=True, gc=False):
    """The log is safe, or cannot be had. ``sentence`` is the verdict's, with what events added."""

    sentence: str


class Requeued(msgspec.Struct, frozen=True, gc=False):
    """Whether Airflow queued the task instance once more; it does not if the task has ended."""

    done: bool


class DeleteRefused(msgspec.Struct, frozen=True, gc=False):
    """We may not delete the pod."""

    sentence: str


class FoundQueued(msgspec.Struct, frozen=True, gc=False):
    """Airflow had the task queued when it gave it to us, with this pod that another one made."""


class Revoked(msgspec.Struct, frozen=True, gc=False):
    """The scheduler takes the task back."""


class Released(msgspec.Struct, frozen=True, gc=False):
    """Another scheduler owns the pod now."""


class Tick(msgspec.Struct, frozen=True, gc=False):
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
    | FoundQueued
    | Revoked
    | Released
    | Tick
)
