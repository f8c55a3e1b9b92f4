"""How running a pod can fail for another reason than the pod itself.

RunError
├── PodNotCreated     no pod came to be: the manifest, the rights, the cluster
├── PodNotObserved    the pod is there, but may not be watched
├── ResultNotRead     the pod succeeded, but its result did not come through
├── ObjectsNotDone    an object was not created, applied or deleted
└── CommandNotRun     a command in a running pod did not begin, or its end was not seen

A pod that fails is no error here but an ``Outcome``.
"""

from __future__ import annotations


class RunError(Exception):
    """Base of everything that this package raises on purpose. The message says what to do."""


class PodNotCreated(RunError):
    """No pod came to be; the message says what stood in the way."""


class PodNotObserved(RunError):
    """The pod was created, but what becomes of it cannot be seen."""


class ResultNotRead(RunError):
    """The pod succeeded, but the result that it left cannot be had; the message says why."""


class ObjectsNotDone(RunError):
    """An object was not created, applied or deleted; the message lists what was done before."""


class CommandNotRun(RunError):
    """A command in a running pod did not begin, or how it ended was not seen."""
