"""The log of a task that has several pods: each line says whose it is."""

from __future__ import annotations

from typing import Any

from podlift.operators.calling_back import TaskListener, TaskLog


class LabellingListener(TaskListener):
    """Puts a pod's label before its lines and before what is said of it."""

    def __init__(self, label: str, log: TaskLog, **given: Any) -> None:
        super().__init__(log, **given)
        self._before = f"[{label}] " if label else ""

    def info(self, sentence: str) -> None:
        super().info(self._before + sentence)

    def warning(self, sentence: str) -> None:
        super().warning(self._before + sentence)

    def _formatted(self, container: str, line: str) -> str:
        return self._before + super()._formatted(container, line)
