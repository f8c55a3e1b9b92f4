"""What can go wrong in the executor.

ExecutorError
├── EngineStopped       the engine's thread ended; the scheduler has to start anew
└── TemplateError       a pod template file cannot be read
"""

from __future__ import annotations


class ExecutorError(Exception):
    """Base of every error this layer raises."""


class EngineStopped(ExecutorError):
    """The engine does not run any more, so no task can be started or watched by this process."""


class TemplateError(ExecutorError):
    """A pod template file is missing, or is not the YAML of a pod."""
