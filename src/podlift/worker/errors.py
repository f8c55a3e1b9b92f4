"""Why a worker gives up before the task could run.

WorkerError     carries the exit code; its message is the one sentence for standard error
"""

from __future__ import annotations

from podlift.worker.outcome import ExitCode


class WorkerError(Exception):
    """The task cannot be run in this pod."""

    def __init__(self, code: ExitCode, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
