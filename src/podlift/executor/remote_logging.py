"""Where ``[logging] remote_logging`` keeps logs: a worker brings its log there, if it lives to.

What a pod that died could not bring is brought by Airflow's own handler, once. Everything here
blocks, and is called in threads.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from enum import Enum
from pathlib import Path
from typing import Any

from podlift.compat import remote_task_log
from podlift.executor.archive import LogFolder

logger = logging.getLogger(__name__)

_TELLING = 40
"""A line of the log that is as long as this is not found elsewhere by chance."""


class There(Enum):
    """What the remote log of a try has in it already."""

    NOTHING = "nothing of this pod"
    LOG = "the log that its worker brought there"
    ALL = "all that is to be kept"


class RemoteLogging:
    """Airflow's remote log handler, if one is configured."""

    def __init__(self, folder: LogFolder, handler: Any = None) -> None:
        self._folder = folder
        self._handler = handler
        self._looked = handler is not None
        self._lock = threading.Lock()

    def is_configured(self) -> bool:
        """Whether logs are kept elsewhere; Airflow is asked once."""
        with self._lock:
            if not self._looked:
                self._handler = remote_task_log()
                self._looked = True
        return self._handler is not None

    def look(self, log_path: str, ti_id: str, mark: str, sample: bytes) -> There:
        """What is there of the pod with this mark, whose log begins with ``sample``."""
        telling = {
            line for line in sample.decode("utf-8", "replace").splitlines() if len(line) > _TELLING
        }
        found = There.NOTHING
        try:
            for line in self._read(log_path, ti_id):
                if mark in line:
                    return There.ALL
                if line in telling:
                    found = There.LOG
        # A handler may raise whatever its service's client does.
        except Exception:
            logger.warning("Remote logging does not show %s", log_path, exc_info=True)
        return found

    def bring(self, log_path: str, ti_id: str, mark: str, kept: Path) -> str:
        """Add the kept file to the remote log and remove it here; returns a problem or nothing.

        Handlers do not raise but write to their own log when something fails, so what was brought
        is looked for. If it is not there the file stays where it is, and can be read from here.
        """
        file = self._folder.path(log_path)
        if file is None or file.exists():  # a worker's own: not to be touched
            return ""
        kept.replace(file)
        try:
            self._handler.upload(log_path, _task_instance(ti_id))
            there = any(mark in line for line in self._read(log_path, ti_id))
        # A handler may raise whatever its service's client does; the log is safe here.
        except Exception as error:
            logger.warning("Remote logging failed for %s", log_path, exc_info=True)
            there, why = False, f" ({error})"
        else:
            why = ""
        if there:
            file.unlink(missing_ok=True)  # some handlers do so themselves
            return ""
        if file.exists():
            file.replace(kept)
        return (
            f"The log could not be brought to where remote logging keeps logs{why}; the scheduler "
            f"keeps it in {kept}."
        )

    def _read(self, log_path: str, ti_id: str) -> Iterable[str]:
        ti = _task_instance(ti_id)
        if stream := getattr(self._handler, "stream", None):
            _, streams = stream(log_path, ti)
            for each in streams or ():
                yield from each
        else:
            _, texts = self._handler.read(log_path, ti)
            for text in texts or ():
                yield from text.splitlines()


def _task_instance(ti_id: str) -> Any:
    from sqlalchemy.exc import SQLAlchemyError

    from podlift.executor.log_records import task_instance

    try:
        return task_instance(ti_id)
    except SQLAlchemyError as error:  # most handlers need no more than the log's path
        logger.warning("Airflow's database does not tell task instance %s: %s", ti_id, error)
        return None
