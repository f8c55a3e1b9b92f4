"""What a deferred task's pod says goes into the task's log, through the triggerer's."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol

import msgspec

from podlift.runs import LineFormat, Listener
from podlift.triggers.functions import named


class Telling(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How lines are told, as plain data."""

    base: str = "base"
    prefix: bool = False
    """Whether each line begins with its container's name."""
    formatter: str | None = None
    """Name of a function ``f(container, line)`` that gives the line as it is to be logged."""
    progress: tuple[str, ...] = ()
    """Names of functions ``f(line)``, called with every line of the base container."""
    callbacks: tuple[str, ...] = ()
    """Names of callback classes, of which only ``progress_callback`` is called here."""


class Log(Protocol):
    """Where the task's log goes."""

    def info(self, event: Any, *args: Any, **kw: Any) -> Any: ...

    def warning(self, event: Any, *args: Any, **kw: Any) -> Any: ...


class TriggerListener(Listener):
    """Writes sentences and lines into the log of the task that waits for the trigger.

    A container's line carries the time at which the container wrote it. Airflow sorts by it, and
    leaves out a record that came twice: after the crash of a triggerer, what it had told may be
    told again by the next, in another file.
    """

    def __init__(self, log: Log, telling: Telling, label: str = "") -> None:
        self._log = log
        formatter = named(telling.formatter) if telling.formatter else None
        self._format = LineFormat(telling.base, telling.prefix, formatter, label)
        self._progress: list[Callable[[str], object]] = [named(each) for each in telling.progress]
        self._callbacks = [named(each).progress_callback for each in telling.callbacks]

    def info(self, sentence: str) -> None:
        self._log.info(self._format.sentence(sentence))

    def warning(self, sentence: str) -> None:
        self._log.warning(self._format.sentence(sentence))

    def line(self, container: str, line: str, moment: datetime | None = None) -> None:
        given: dict[str, Any] = {} if moment is None else {"timestamp": moment.isoformat()}
        self._log.info(self._format.line(container, line), **given)
        if container == self._format.base:
            for function in list(self._progress):
                self._call(self._progress, function, line)
        for callback in list(self._callbacks):
            given = {"container_name": container, "timestamp": moment, "mode": "async"}
            self._call(self._callbacks, callback, line=line, client=None, pod=None, **given)

    def _call(self, those: list[Any], function: Any, *args: Any, **given: Any) -> None:
        """A line's callback comes too often for its failure to end the task."""
        try:
            function(*args, **given)
        except Exception as error:  # noqa: BLE001  whatever a user's code may raise
            self.warning(f"The progress_callback failed and is not called again: {error!r}")
            those.remove(function)
