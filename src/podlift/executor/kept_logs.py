"""What the log page shows of a task beside files of its own machine: in the API server's process.

Airflow asks a remote log handler for every log. This one stands in that place, before the one that
is configured, if any, and adds what only the executor knows: why a pod is still pending, and the
logs that schedulers kept. What is on the API server's own disk it leaves to Airflow.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.configuration import conf
from airflow.executors.executor_loader import ExecutorLoader
from airflow.utils.state import State, TaskInstanceState

from podlift.executor.choosing import executor_of, team_served
from podlift.executor.deployment import log_folder
from podlift.executor.facade import KubernetesExecutor
from podlift.executor.log_lines import log_line, undated_line
from podlift.executor.log_records import scheduler_hosts, told
from podlift.executor.served_logs import Found, LogServers
from podlift.executor.task_pods import address_of, explain_waiting
from podlift.settings import Settings

if TYPE_CHECKING:
    from airflow.models.taskinstance import TaskInstance

logger = logging.getLogger(__name__)

_WAITING = frozenset({TaskInstanceState.QUEUED, TaskInstanceState.RESTARTING})
_NO_LOG = "No log of this try is to be had any more."


class KeptLogs:
    """A remote log handler (``airflow.logging.remote.RemoteLogStreamIO``) around another or none.

    ``stream`` raises ``NotImplementedError``, as Airflow expects where no handler is, for tasks of
    other executors.
    """

    def __init__(self, inner: Any = None) -> None:
        self.inner = inner
        self._ours: dict[str, bool] = {}

    @property
    def processors(self) -> tuple[Any, ...]:
        """What the handler that is configured does with log lines."""
        return self.inner.processors if self.inner is not None else ()

    def upload(self, path: Any, ti: Any = None) -> None:
        """Left to the handler that is configured."""
        if self.inner is not None:
            self.inner.upload(path, ti)

    def read(self, relative_path: str, ti: Any) -> tuple[list[str], list[str] | None]:
        """The same as ``stream``, as a whole."""
        sources, streams = self.stream(relative_path, ti)
        return sources, ["\n".join(each) for each in streams]

    def stream(self, relative_path: str, ti: Any) -> tuple[list[str], list[Any]]:
        """Where the log is from, and its parts, each as lines."""
        sources, streams = self._of_inner(relative_path, ti)
        if not self._is_ours(ti):
            if self.inner is None:
                raise NotImplementedError
            return sources, streams
        if ti.state in _WAITING:
            waiting_sources, waiting = self._waiting(ti)
            sources, streams = sources + waiting_sources, [*streams, waiting]
        if streams and ti.state in State.finished:
            return sources, streams  # it was brought there, by the worker or the scheduler
        if self._is_here(relative_path):
            return sources, streams
        kept_sources, kept = self._kept(relative_path, ti)
        return sources + kept_sources, streams + kept

    def _of_inner(self, relative_path: str, ti: Any) -> tuple[list[str], list[Any]]:
        if self.inner is None:
            return [], []
        if stream := getattr(self.inner, "stream", None):
            sources, streams = stream(relative_path, ti)
            return list(sources), list(streams or ())
        sources, texts = self.inner.read(relative_path, ti)
        return list(sources), [_lines(text) for text in texts or ()]

    def _is_ours(self, ti: Any) -> bool:
        found = executor_of(ti)
        if found.module_path not in self._ours:
            chosen, _ = ExecutorLoader.import_executor_cls(found)
            self._ours[found.module_path] = issubclass(chosen, KubernetesExecutor)
        return self._ours[found.module_path]

    def _is_here(self, relative_path: str) -> bool:
        file = log_folder().path(relative_path)
        return file is None or any(file.parent.glob(f"{file.name}*"))

    def _waiting(self, ti: Any) -> tuple[list[str], Iterator[str]]:
        """Why a task's pod does not run yet."""
        sources, lines = explain_waiting(_settings(ti), ti)
        return sources, _decoded([*_told_lines(ti), *lines])

    def _kept(self, relative_path: str, ti: Any) -> tuple[list[str], list[Any]]:
        found = _servers(ti).find(relative_path)
        sources = found.sources + [
            f"The log server of scheduler {each} cannot be reached." for each in found.unreachable
        ]
        if found.responses or ti.state not in State.finished:
            return sources, found.streams()
        return sources, [_decoded(_what_is_known(ti, found))]


def _servers(ti: Any) -> LogServers:
    port = conf.getint("logging", "worker_log_server_port")
    return LogServers(scheduler_hosts(), port, partial(address_of, _settings(ti)))


def _settings(ti: Any) -> Settings:
    """The options of the executor that the task has: each team's has its own."""
    return KubernetesExecutor(team_name=team_served(ti)).settings


def _told_lines(ti: Any) -> list[bytes]:
    return [log_line(each.sentence, at=each.at) for each in told(ti)]


def _what_is_known(ti: TaskInstance, found: Found) -> list[bytes]:
    """In place of a log: the executor's entries in the task's event log, which is in the database.

    The log itself is gone with the disk of the scheduler that kept it, or its scheduler is away.
    """
    reason = _NO_LOG
    if found.unreachable:
        reason = "The log may be with a scheduler that cannot be reached now; try again later."
    known = _told_lines(ti)
    if known:
        reason += " What the task's event log says:"
    return [undated_line(reason, level="warning"), *known]


def _decoded(lines: Iterable[bytes]) -> Iterator[str]:
    """Airflow takes generators only."""
    for line in lines:
        yield line.decode("utf-8").rstrip("\n")


def _lines(text: str) -> Iterator[str]:
    yield from text.splitlines()
