"""What Podlift wrote to the task's log, read as Airflow's log page reads it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow.utils.log.log_reader import TaskLogReader

from podlift.commands.explaining.records import Records, database, row_of_try
from podlift.compat import remote_task_log, set_remote_task_log
from podlift.executor.kept_logs import KeptLogs
from podlift.executor.log_lines import LOGGER

_NOT_YET = frozenset({None, "scheduled", "queued", "restarting"})
"""States in which the log page tells of the pod, and not of a log."""


@dataclass(frozen=True)
class Line:
    """One line of a log that helps to explain."""

    at: datetime | None
    level: str
    text: str
    try_number: int
    own: bool
    """Podlift's own line; otherwise the task's last error."""


def read_lines(records: Records, numbers: Iterable[int]) -> list[Line]:
    """Podlift's lines in the logs of these tries, and each try's last error."""
    handler = remote_task_log()
    if not isinstance(handler, KeptLogs):
        set_remote_task_log(KeptLogs(handler))
    reader = TaskLogReader()
    return [line for number in numbers for line in _of_try(reader, records, number)]


def _of_try(reader: TaskLogReader, records: Records, number: int) -> Iterator[Line]:
    with database() as session:
        row = row_of_try(session, records, number)
        if row is None or row.state in _NOT_YET:
            return
        chunks, _ = reader.read_log_chunks(row, number, {"end_of_log": False})
        error: Line | None = None
        for message in _messages(chunks):
            said = message.model_extra or {}
            level = str(said.get("level", "info"))
            own = said.get("logger") == LOGGER
            if own:
                yield Line(message.timestamp, level, message.event, number, True)
            elif level in ("error", "critical"):
                text = message.event + _exception(said)
                error = Line(message.timestamp, level, text, number, False)
        if error is not None:
            yield error


def _messages(chunks: Any) -> Iterator[Any]:
    """The handler gives messages, or lists of them."""
    for chunk in chunks:
        yield from chunk if isinstance(chunk, list | tuple) else (chunk,)


def _exception(said: dict[str, Any]) -> str:
    details = said.get("error_detail")
    if not isinstance(details, list) or not details:
        return ""
    last = details[0] if isinstance(details[0], dict) else {}
    return f": {last.get('exc_type', '')}: {last.get('exc_value', '')}"
