"""What the state machine asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from podlift.executor.state import Verdict


@dataclass(frozen=True, slots=True)
class Create:
    """Create the pod with this launch number, not before ``wait`` seconds have passed."""

    launch: int
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
    again: bool = False
    """Another pod is going to be started."""


@dataclass(frozen=True, slots=True)
class LookAtEvents:
    """Find out from the pod's events what it waits for."""


@dataclass(frozen=True, slots=True)
class Requeue:
    """Have Airflow queue the task instance once more, for the pod with this launch number."""

    launch: int
    cause: str


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


Effect: TypeAlias = (
    Create | Announce | Tell | LookAtEvents | KeepLog | Requeue | Report | Delete | Forget
)
