"""What the state machine asks for."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from podlift.executor.state import Verdict


class Create(msgspec.Struct, frozen=True, gc=False):
    """Create the pod with this launch number, not before ``wait`` seconds have passed."""

    launch: int
    wait: float = 0.0


class Announce(msgspec.Struct, frozen=True, gc=False):
    """Tell Airflow that the pod exists, and its name."""


class Tell(msgspec.Struct, frozen=True, gc=False):
    """Add a sentence to the task's event log."""

    sentence: str


class KeepLog(msgspec.Struct, frozen=True, gc=False):
    """Bring the log to safety, with the cause if the verdict is a failure."""

    verdict: Verdict
    again: bool = False
    """Another pod is going to be started."""


class LookAtEvents(msgspec.Struct, frozen=True, gc=False):
    """Find out from the pod's events what it waits for."""


class Requeue(msgspec.Struct, frozen=True, gc=False):
    """Have Airflow queue the task instance once more, for the pod with this launch number."""

    launch: int
    cause: str


class Report(msgspec.Struct, frozen=True, gc=False):
    """Tell Airflow how the execution ended."""

    verdict: Verdict


class Delete(msgspec.Struct, frozen=True, gc=False):
    """Delete the pod with this uid; an empty uid means: whatever has our name."""

    uid: str


class Forget(msgspec.Struct, frozen=True, gc=False):
    """Drop the record."""


Effect: TypeAlias = (
    Create | Announce | Tell | LookAtEvents | KeepLog | Requeue | Report | Delete | Forget
)
