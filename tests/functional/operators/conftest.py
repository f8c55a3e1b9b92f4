"""Tasks that run pods on a real cluster, through the operator's own ``execute``."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator, MutableMapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol

import pytest
import structlog
from airflow.sdk.bases.operator import ExecutorSafeguard

from podlift.operators import KubernetesPodOperator


class Api(Protocol):
    """The cluster of the functional tests."""

    kubeconfig: Any
    url: str

    def request(self, method: str, path: str, body: Any = None) -> tuple[int, Any]: ...


class TaskLog:
    """What the task's log holds, and a way to wait for a line of it."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._news = threading.Condition()

    def __call__(self, _logger: object, _name: str, record: MutableMapping[str, Any]) -> Any:
        text = str(record["event"])
        if arguments := record.get("positional_args"):
            text %= tuple(arguments)
        with self._news:
            self.lines.append(text)
            self._news.notify_all()
        raise structlog.DropEvent

    def wait_for(self, text: str, timeout: float = 60) -> None:
        """Wait until a line holds the text."""
        with self._news:
            found = self._news.wait_for(lambda: text in self.text, timeout)
        assert found, f"{text!r} is not in the log:\n{self.text}"

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


@dataclass(frozen=True)
class TaskInstance:
    """What the operator asks of Airflow's task instance."""

    task_id: str
    id: uuid.UUID = field(default_factory=uuid.uuid4)
    dag_id: str = "a_dag"
    run_id: str = "manual__2026-11-22T00:00:00+00:00"
    try_number: int = 1
    map_index: int = -1
    max_tries: int = 0


class Task:
    """One task instance: its operator, its log, and its pods."""

    def __init__(
        self, api: Api, namespace: str, log: TaskLog, operator: KubernetesPodOperator
    ) -> None:
        self.operator = operator
        self.log = log
        self.instance = TaskInstance(operator.task_id)
        self._api = api
        self._path = f"/api/v1/namespaces/{namespace}/pods"

    def run(self) -> Any:
        """Execute it as Airflow's task runner does; returns its result."""
        ExecutorSafeguard.tracker.set(self.operator)
        context: Any = {"ti": self.instance}
        return self.operator.execute(context)

    def start(self) -> Future[Any]:
        """Execute it in another thread."""
        pool = ThreadPoolExecutor(1)
        running = pool.submit(self.run)
        pool.shutdown(wait=False)
        return running

    def pods(self) -> list[Any]:
        """The pods that are there, without those that are being deleted."""
        _, body = self._api.request("GET", self._path)
        items: list[Any] = body["items"]
        return [pod for pod in items if "deletionTimestamp" not in pod["metadata"]]


@pytest.fixture
def log() -> Iterator[TaskLog]:
    """Takes what would go into the task's log."""
    captured = TaskLog()
    processors = structlog.get_config()["processors"]
    before = list(processors)
    processors[:] = [captured]  # in place: loggers that exist hold this very list
    yield captured
    processors[:] = before


@pytest.fixture
def task(
    cluster: Api, namespace: str, log: TaskLog, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Task]]:
    """Makes a task of the operator's parameters; ``shell`` is a script for ``sh -c``."""
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    made: list[Task] = []

    def make(shell: str | None = None, **parameters: Any) -> Task:
        if shell is not None:
            parameters["cmds"] = ["sh", "-c", shell]
        given = {"task_id": "a_task", "image": "busybox:1.36", "namespace": namespace}
        made.append(Task(cluster, namespace, log, KubernetesPodOperator(**given | parameters)))
        return made[-1]

    yield make
    for each in made:
        each.operator.on_kill()  # where a test failed, its pod may still run
