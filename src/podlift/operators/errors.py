"""How a task that runs a pod fails.

AirflowException
└── PodTaskError
    ├── PodNotCreated     no pod came to be: the manifest, the rights, the cluster
    │   └── FunctionNotSent   a decorated function cannot travel into a pod
    ├── PodNotObserved    the pod is there, but may not be watched
    ├── PodFailed         the pod did not succeed; carries the diagnosis
    │   └── PodNotStarted     it did not start in time
    ├── ResultNotRead     the pod succeeded, but its result did not come through
    ├── ObjectFailed      the work of a Job, or of another object that makes pods, failed
    ├── PodStopped        the task was told to stop, and its pod was deleted
    ├── ClusterNotReached there is no way to the cluster
    ├── ResourceFailed    an object was not created, applied or deleted
    ├── CommandFailed     a command in a running pod did not end well
    └── TaskStopped       the task was told to stop before it was done
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


class ClusterNotReached(PodTaskError):
    """There is no way to the cluster; the message says where it was looked for."""


class ResourceFailed(PodTaskError):
    """An object was not created, applied or deleted; the message lists what was done before."""


class CommandFailed(PodTaskError):
    """A command in a running pod did not end well, or did not begin.

    ``exit_code`` is None where none was seen.
    """

    def __init__(self, what: str, exit_code: int | None = None) -> None:
        super().__init__(what)
        self.exit_code = exit_code


class FunctionNotSent(PodNotCreated):
    """A decorated function, or what it is called with, cannot travel into a pod."""


class TaskStopped(PodTaskError):
    """The task was told to stop before it was done. Never a success."""


class ObjectFailed(PodTaskError):
    """The work of a Job, or of another object that makes pods, failed; the message says why."""
