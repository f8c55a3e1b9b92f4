"""``airflow podlift …`` as a process, with an Airflow home and a database of its own."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session

from podlift.cli.airflow_database import prepare_database
from podlift.cli.home import Home
from podlift.kube import PODS, Client, load_connection, watch
from podlift.pods.labels import Identity, annotations_of, labels_of
from podlift.pods.naming import pod_name

if TYPE_CHECKING:
    from tests.functional.conftest import Cluster

_SERVER = Path(__file__).with_name("airflow_server.py")
IMAGE = "busybox:1.36"
RUN = "manual__one"


_HEED_CTRL_C = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])
"""


@dataclass
class Done:
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        assert self.code == 0, self.err
        return json.loads(self.out)


class Commands:
    """Runs ``airflow podlift …`` in forks of a process that has imported Airflow already."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self._process = process
        self._folder = folder

    def run(self, arguments: Sequence[str], environment: dict[str, str], answer: str) -> Done:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        out, err = self._folder / "out", self._folder / "err"
        asked = {
            "arguments": ["podlift", *arguments],
            "environment": environment,
            "input": answer,
            "out": str(out),
            "err": str(err),
        }
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        code = int(self._process.stdout.readline())
        done = Done(code, out.read_text(), err.read_text())
        assert "Traceback" not in done.err, done.err
        return done


@dataclass
class AirflowHome:
    """An Airflow that nobody runs: configuration, database and logs."""

    home: Home
    environment: dict[str, str]
    commands: Commands
    cluster: Cluster
    namespace: str
    dag_id: str
    """Every test has a DAG of its own."""
    ids: dict[str, str] = field(default_factory=dict)
    _started: list[subprocess.Popen[str]] = field(default_factory=list)

    def run(self, *arguments: str, answer: str = "", **options: object) -> Done:
        """Run ``airflow podlift`` with these arguments, and options of section ``podlift``."""
        chosen = {f"AIRFLOW__PODLIFT__{name.upper()}": str(v) for name, v in options.items()}
        return self.commands.run(arguments, {**self.environment, **chosen}, answer)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command that goes on until it is stopped, after the test at the latest."""
        command = [sys.executable, "-m", "airflow", "podlift", *arguments]
        # Tests that run in the background of a script inherit that Ctrl-C means nothing.
        heeding = [sys.executable, "-c", _HEED_CTRL_C, *command]
        pipe = subprocess.PIPE
        environment = {**_without_airflow(), **self.environment}
        started = subprocess.Popen(heeding, env=environment, stdout=pipe, stderr=pipe, text=True)
        self._started.append(started)
        return started

    def stop(self) -> None:
        """End what was started and still runs."""
        for process in self._started:
            with process:  # closes its pipes, and waits for its end
                process.kill()

    def write(self, *rows: Any) -> None:
        """Add rows to the database."""
        with self._session() as session:
            session.add_all(rows)
            session.commit()

    def _session(self) -> Session:
        return Session(create_engine(f"sqlite:///{self.home.airflow / 'airflow.db'}"))

    def task(self, task_id: str, state: str | None, **values: Any) -> str:
        """A task instance of a run of the DAG ``shells``; returns its id."""
        from airflow.models.dag import DagModel
        from airflow.models.dag_version import DagVersion
        from airflow.models.dagbundle import DagBundleModel
        from airflow.models.dagrun import DagRun
        from airflow.models.taskinstance import TaskInstance
        from airflow.utils.state import DagRunState
        from airflow.utils.types import DagRunTriggeredByType, DagRunType

        now = datetime.now(UTC)
        ti_id = uuid.uuid4()
        with self._session() as session:
            if session.get(DagModel, self.dag_id) is None:
                session.merge(DagBundleModel(name="dags"))
                session.flush()
                session.add(
                    DagModel(  # type: ignore[no-untyped-call]
                        dag_id=self.dag_id, bundle_name="dags", fileloc="/shells.py"
                    )
                )
                session.add(
                    DagRun(
                        dag_id=self.dag_id,
                        run_id=RUN,
                        run_type=DagRunType.MANUAL,
                        triggered_by=DagRunTriggeredByType.CLI,
                        run_after=now,
                        logical_date=now,
                        state=DagRunState.RUNNING,
                    )
                )
                session.add(DagVersion(dag_id=self.dag_id, version_number=1, bundle_name="dags"))
                session.flush()
            version = session.scalar(select(DagVersion).where(DagVersion.dag_id == self.dag_id))
            assert version is not None
            table: Any = TaskInstance.__table__
            row = {
                "dag_version_id": version.id,
                "id": ti_id,
                "dag_id": self.dag_id,
                "task_id": task_id,
                "run_id": RUN,
                "state": state,
                "map_index": -1,
                "try_number": 1,
                "max_tries": 0,
                "pool": "default_pool",
                "pool_slots": 1,
                "queue": "default",
                "priority_weight": 1,
                "scheduled_dttm": now - timedelta(seconds=20),
                "queued_dttm": now - timedelta(seconds=15),
                **values,
            }
            session.execute(table.insert().values(**row))
            session.commit()
        self.ids[task_id] = str(ti_id)
        return str(ti_id)

    def save(self, dag: Any) -> None:
        """Write a DAG to the database, as the DAG processor does."""
        from airflow.models.dag import DagModel
        from airflow.models.dagbundle import DagBundleModel
        from airflow.models.serialized_dag import SerializedDagModel
        from airflow.serialization.serialized_objects import LazyDeserializedDAG

        with self._session() as session:
            session.merge(DagBundleModel(name="dags"))
            session.flush()
            session.add(
                DagModel(  # type: ignore[no-untyped-call]
                    dag_id=dag.dag_id, bundle_name="dags", fileloc=__file__
                )
            )
            session.flush()
            serialized = LazyDeserializedDAG.from_dag(dag)
            SerializedDagModel.write_dag(serialized, bundle_name="dags", session=session)
            session.commit()

    def pod(
        self, task_id: str, script: str, *, phase: str = "", component: str = "", **fields: Any
    ) -> str:
        """Create a task's pod, and wait until it is in this phase; returns its name."""
        ti_id = self.ids.setdefault(task_id, str(uuid.uuid4()))
        name = pod_name((self.dag_id, task_id), ti_id, 1)
        identity = Identity(
            dag_id=self.dag_id, task_id=task_id, run_id=RUN, ti_id=ti_id, executor="7-deadbeef"
        )
        base = {"name": "base", "image": IMAGE, "command": ["sh", "-c", script]}
        pod = {
            "metadata": {
                "name": name,
                "labels": labels_of(identity, component),
                "annotations": {
                    **annotations_of(identity),
                    "podlift.dev/execution": uuid.uuid4().hex,
                },
            },
            "spec": {
                "restartPolicy": "Never",
                "terminationGracePeriodSeconds": 1,
                "containers": [base | fields.pop("base", {})],
                **fields,
            },
        }
        path = f"/api/v1/namespaces/{self.namespace}/pods"
        status, body = self.cluster.request("POST", path, pod)
        assert status == 201, body
        if phase:
            self.until(name, phase)
        return name

    def until(self, name: str, phase: str) -> None:
        """Wait until a pod is in this phase."""
        asyncio.run(self._until(name, phase))

    async def _until(self, name: str, phase: str) -> None:
        connection = await load_connection(self.cluster.kubeconfig, in_cluster=False)
        async with asyncio.timeout(60), Client(connection) as client:
            fields = f"metadata.name={name}"
            async for event in watch(client, PODS, self.namespace, field_selector=fields):
                if event.object is not None and event.object["status"].get("phase") == phase:
                    return

    def delete(self, name: str) -> None:
        """Remove a pod at once."""
        path = f"/api/v1/namespaces/{self.namespace}/pods/{name}?gracePeriodSeconds=0"
        assert self.cluster.request("DELETE", path)[0] == 200

    def log_file(self, task_id: str, try_number: int = 1) -> Path:
        """Where Airflow looks for the log of a task."""
        folder = f"dag_id={self.dag_id}/run_id={RUN}/task_id={task_id}"
        file = self.home.task_logs / folder / f"attempt={try_number}.log"
        file.parent.mkdir(parents=True, exist_ok=True)
        return file


@pytest.fixture(scope="session")
def airflow_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Configuration and an empty database."""
    home = Home(tmp_path_factory.mktemp("airflow"))
    home.create()
    environment = {**_without_airflow(), "AIRFLOW_HOME": str(home.airflow)}
    asyncio.run(prepare_database(home, environment))
    (home.airflow / "airflow.cfg").touch()
    return home


@pytest.fixture(scope="session")
def commands(airflow_home: Home) -> Iterator[Commands]:
    """One for all tests: Airflow binds to its database when it is imported."""
    pipe = subprocess.PIPE
    environment = {**_without_airflow(), **_environment(airflow_home)}
    command = [sys.executable, str(_SERVER)]
    with subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert "ready\n" in iter(process.stdout.readline, "")  # Airflow 3.2 logs before that
        yield Commands(process, airflow_home.root)
        process.stdin.close()


@pytest.fixture
def airflow(
    airflow_home: Home, commands: Commands, cluster: Cluster, namespace: str
) -> Iterator[AirflowHome]:
    """An Airflow whose executor uses the test's namespace."""
    template = {
        "apiVersion": "v1",
        "kind": "Pod",
        "spec": {"containers": [{"name": "base", "image": IMAGE}]},
    }
    airflow_home.pod_template.write_text(yaml.safe_dump(template))
    environment = _environment(airflow_home) | {
        "AIRFLOW__PODLIFT__NAMESPACE": namespace,
        "AIRFLOW__PODLIFT__CONFIG_FILE": str(cluster.kubeconfig),
        "AIRFLOW__PODLIFT__POD_TEMPLATE_FILE": str(airflow_home.pod_template),
    }
    dag_id = f"dag_{uuid.uuid4().hex[:6]}"
    airflow = AirflowHome(airflow_home, environment, commands, cluster, namespace, dag_id)
    yield airflow
    airflow.stop()


def _without_airflow() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}


def _environment(home: Home) -> dict[str, str]:
    return {
        "AIRFLOW_HOME": str(home.airflow),
        "AIRFLOW__CORE__EXECUTOR": "podlift.executor.KubernetesExecutor",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home.airflow / 'airflow.db'}",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home.task_logs),
        "COLUMNS": "200",
    }
