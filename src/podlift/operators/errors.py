"""How a task that runs a pod fails.

AirflowException
└── PodTaskError
    ├── PodNotCreated     no pod came to be: the manifest, the rights, the cluster
    ├── PodNotObserved    the pod is there, but may not be watched
    ├── PodFailed         the pod did not succeed; carries the diagnosis
    │   └── PodNotStarted     it did not start in time
    ├── ResultNotRead     the pod succeeded, but its result did not come through
    └── PodStopped        the task was told to stop, and its pod was deleted
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk.exceptions import AirflowException

if TYPE_CHECKING:
    from podlift.pods.diagnosis import Diagnosis


class PodTaskError(AirflowException):
    """Base of everything that an operator raises on purpose."""


class PodNotCreated(PodTaskError):
    """No pod came to be; the message says what stood in the way."""


class PodNotObserved(PodTaskError):
    """The pod was created, but what becomes of it cannot be seen."""


class PodFailed(PodTaskError):
    """The pod did not succeed. ``diagnosis`` is None only where nothing at all is known."""

    def __init__(self, pod: str, what: str, diagnosis: Diagnosis | None = None) -> None:
        super().__init__(f"Pod {pod}: {what}")
        self.pod = pod
        self.diagnosis = diagnosis


class PodNotStarted(PodFailed):
    """The pod's main container did not start within the time it was given."""


class PodStopped(PodTaskError):
    """The task was told to stop while its pod was running. Never a success."""


class ResultNotRead(PodTaskError):
    """The pod succeeded, but the result that it left cannot be had; the message says why."""
