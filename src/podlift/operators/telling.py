"""What a run says goes into the task's log."""

from __future__ import annotations

from typing import Protocol

from podlift.runs import Listener


class TaskLog(Protocol):
    """Where the task's log goes."""

    def info(self, event: str, /, *args: object) -> object: ...

    def warning(self, event: str, /, *args: object) -> object: ...


class TaskLogListener(Listener):
    """Writes sentences and lines into the task's log; lines of other containers with their name."""

    def __init__(self, log: TaskLog, base: str) -> None:
        self._log = log
        self._base = base

    # A sentence or a line may hold a percent sign, so neither is a format.

    def info(self, sentence: str) -> None:
        self._log.info("%s", sentence)

    def warning(self, sentence: str) -> None:
        self._log.warning("%s", sentence)

    def line(self, container: str, line: str) -> None:
        if container == self._base:
            self._log.info("%s", line)
        else:
            self._log.info("[%s] %s", container, line)
