"""The real executor against a real cluster, with no scheduler in between."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from airflow.executors import workloads
from airflow.utils.state import TaskInstanceState
from tests.functional.executor.database import Database, use_database
from tests.functional.executor.schedulers import Nursery, Scheduler, start_nursery

from podlift.executor import KubernetesExecutor

if TYPE_CHECKING:
    from airflow.executors.workloads.types import WorkloadKey
    from tests.functional.conftest import Cluster

IMAGE = "busybox:1.36"
TEMPLATE = {
    "apiVersion": "v1",
    "kind": "Pod",
    "spec": {
        "terminationGracePeriodSeconds": 1,
        "containers": [{"name": "base", "image": IMAGE, "command": ["sh", "-c", "exit 0"]}],
    },
}


@dataclass
class Driver:
    """Does what the scheduler's loop does with an executor, and remembers what it was told."""

    executor: KubernetesExecutor
    cluster: Cluster
    namespace: str
    logs: Path
    database: Database
    events: list[tuple[WorkloadKey, str, Any]] = field(default_factory=list)

    @staticmethod
    def task(
        script: str | None = None,
        *,
        ti_id: uuid.UUID | None = None,
        priority: int = 1,
        override: object = None,
        **config: Any,
    ) -> workloads.ExecuteTask:
        """A workload whose pod runs a shell script in the worker's place."""
        name = f"task_{uuid.uuid4().hex[:6]}"
        if script is not None:
            base = {"name": "base", "command": ["sh", "-c", script]}
            override = {"spec": {"containers": [base]}}
        if override is not None:
            config["pod_override"] = override
        ti = workloads.TaskInstanceDTO(
            id=ti_id or uuid.uuid4(),
            dag_version_id=uuid.uuid4(),
            dag_id="shells",
            task_id=name,
            run_id="run 1",
            try_number=1,
            map_index=-1,
            pool_slots=1,
            queue="default",
            priority_weight=priority,
            executor_config=config,
        )
        return workloads.ExecuteTask(
            ti=ti,
            dag_rel_path=Path("shells.py"),
            token="the-tasks-token",
            bundle_info=workloads.BundleInfo(name="dags"),
            log_path=f"dag_id=shells/run_id=1/task_id={name}/attempt=1.log",
        )

    def again(self, first: workloads.ExecuteTask, script: str) -> workloads.ExecuteTask:
        """The same try of the same task, as Airflow queues it once more."""
        again = self.task(script, ti_id=uuid.UUID(str(first.ti.id)))
        again.ti.task_id, again.log_path = first.ti.task_id, first.log_path
        return again

    def queue(self, *tasks: workloads.ExecuteTask) -> None:
        for each in tasks:
            if isinstance(each, workloads.ExecuteTask):
                self.know(each)
            self.executor.queue_workload(each, session=None)  # type: ignore[arg-type]

    def know(self, each: workloads.ExecuteTask, state: str = "queued", **values: Any) -> None:
        """Airflow has the task in this state."""
        ti = each.ti
        config = ti.executor_config
        ti_id, job = str(ti.id), self.executor.job_id or 7
        self.database.add_new(ti_id, state, task_id=ti.task_id, executor_config=config, job_id=job)
        if values or state != "queued":
            self.database.set(ti_id, state=state, **values)

    def beat(self) -> None:
        self.executor.heartbeat()
        for key, (state, info) in self.executor.get_event_buffer().items():
            self.events.append((key, str(state), info))

    def until(self, condition: Callable[[], Any], seconds: float = 60.0) -> Any:
        end = time.monotonic() + seconds
        while True:
            self.beat()
            result = condition()
            if result:
                return result
            assert time.monotonic() < end, (self.events, self.pods())
            time.sleep(0.02)

    def ends(self, each: workloads.ExecuteTask) -> list[tuple[str, Any]]:
        final = (TaskInstanceState.SUCCESS.value, TaskInstanceState.FAILED.value)
        return [
            (state, info)
            for key, state, info in self.events
            if key == each.ti.key and state in final
        ]

    def end(self, each: workloads.ExecuteTask, seconds: float = 60.0) -> tuple[str, Any]:
        """Drive until the task's end is reported."""
        result: tuple[str, Any] = self.until(lambda: self.ends(each), seconds)[0]
        return result

    def pods(self) -> list[dict[str, Any]]:
        _, body = self.cluster.request("GET", f"/api/v1/namespaces/{self.namespace}/pods")
        items: list[dict[str, Any]] = body["items"]
        return items

    def pod(self, phase: str) -> dict[str, Any]:
        """Drive until there is a pod in this phase."""

        def found() -> dict[str, Any] | None:
            return next((pod for pod in self.pods() if pod["status"]["phase"] == phase), None)

        pod: dict[str, Any] = self.until(found)
        return pod

    def no_pods(self) -> None:
        """Drive until all pods are gone."""
        self.until(lambda: not self.pods())

    def told(self) -> list[str]:
        """What the executor added to the tasks' event logs."""
        return [str(entry.extra) for entry in self.executor._task_event_logs]

    def kept_log(self, each: workloads.ExecuteTask) -> str:
        """Everything that Airflow's log page would read for the task."""
        assert each.log_path
        file = self.logs / each.log_path
        return "".join(path.read_text() for path in sorted(file.parent.glob(f"{file.name}*")))

    def every_log(self) -> str:
        """Everything that was kept of any task."""
        return "".join(path.read_text() for path in self.logs.rglob("*.log"))


MakeDriver = Callable[..., Driver]


Configure = Callable[..., None]


@pytest.fixture
def configure(
    cluster: Cluster, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Configure:
    """Gives the environment the options for executors of this test."""
    template = tmp_path / "template.yaml"
    template.write_text(yaml.safe_dump(TEMPLATE))

    def set_options(team: str | None = None, **options: object) -> None:
        chosen = {
            "namespace": namespace,
            "config_file": cluster.kubeconfig,
            "pod_template_file": template,
            "shutdown_timeout": 1,
            **options,
        }
        for name, value in chosen.items():
            prefix = f"{team.upper()}___" if team else ""
            monkeypatch.setenv(f"AIRFLOW__{prefix}PODLIFT__{name.upper()}", str(value))
        monkeypatch.setenv("AIRFLOW__LOGGING__BASE_LOG_FOLDER", str(tmp_path / "logs"))

    return set_options


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    """Airflow's, for the executors of this process."""
    return use_database(tmp_path, monkeypatch)


@pytest.fixture
def make_driver(
    cluster: Cluster, namespace: str, tmp_path: Path, configure: Configure, database: Database
) -> Iterator[MakeDriver]:
    """Starts executors with options; each is ended after the test."""
    started: list[KubernetesExecutor] = []

    def make(team: str | None = None, job_id: int | None = None, **options: object) -> Driver:
        configure(team, **options)
        executor = KubernetesExecutor(parallelism=64, team_name=team)
        executor.job_id = job_id
        executor.start()
        started.append(executor)
        return Driver(executor, cluster, namespace, tmp_path / "logs", database)

    yield make
    for executor in started:
        executor.end()


@pytest.fixture
def driver(make_driver: MakeDriver) -> Driver:
    """One executor with the defaults."""
    return make_driver()


@pytest.fixture(scope="session")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    """Where schedulers in processes of their own come from."""
    folder = tmp_path_factory.mktemp("schedulers")
    with (folder / "log").open("wb") as log, start_nursery(folder, log) as running:
        yield running
    text = (folder / "log").read_text()
    assert "Traceback" not in text, text


StartScheduler = Callable[..., Scheduler]


@pytest.fixture
def start_scheduler(nursery: Nursery, configure: Configure) -> Iterator[StartScheduler]:
    """Starts schedulers in processes of their own, with options; each is killed after the test."""

    def start(job_id: int, database: Database, **options: object) -> Scheduler:
        configure(**options)
        return nursery.start(job_id, database, _airflows_environment())

    yield start
    nursery.clear()


def _airflows_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("AIRFLOW__")}
