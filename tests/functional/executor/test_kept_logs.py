"""What stands in the place of Airflow's remote log handler, in the API server's process."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from airflow import logging_config, settings
from airflow.executors import executor_loader
from airflow.jobs.job import Job
from airflow.models.dag import DagModel
from airflow.models.dagbundle import DagBundleModel
from airflow.models.log import Log
from airflow.models.taskinstancekey import TaskInstanceKey
from airflow.models.team import Team, dag_bundle_team_association_table
from airflow.utils.session import create_session
from sqlalchemy import update
from sqlalchemy.orm import scoped_session, sessionmaker

from podlift.executor import KubernetesExecutor
from podlift.executor.kept_logs import KeptLogs
from podlift.plugin import PodliftPlugin

if TYPE_CHECKING:
    from tests.functional.executor.conftest import MakeDriver
    from tests.functional.executor.database import Database

pytestmark = pytest.mark.functional

PATH = "dag_id=d/task_id=t/attempt=1.log"
OURS, ANOTHER = "podlift.executor.KubernetesExecutor", "LocalExecutor"


class Shelf:
    """A remote log handler that has one log."""

    processors = ("a processor",)

    def __init__(self, log: str = "") -> None:
        self.log = log

    def read(self, relative_path: str, ti: Any) -> tuple[list[str], list[str]]:
        return (["the shelf"], [self.log]) if self.log else ([], [])

    def upload(self, path: Any, ti: Any = None) -> None:
        self.log = str(path)


class Streaming(Shelf):
    """The same with the newer interface."""

    def stream(self, relative_path: str, ti: Any) -> tuple[list[str], list[Iterator[str]]]:
        return ["the shelf"], [iter(self.log.splitlines())]


@pytest.fixture(autouse=True)
def airflow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database: Database, executor_table: None
) -> None:
    monkeypatch.setenv("AIRFLOW__LOGGING__BASE_LOG_FOLDER", str(tmp_path))
    monkeypatch.setenv("AIRFLOW__API__SECRET_KEY", "known to all components " * 4)
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", f"{OURS},{ANOTHER}")
    # Airflow reads which executors there are once, which may have been for a test before.
    for kind in ("alias", "module", "classname"):
        table: dict[str | None, dict[str, Any]] = defaultdict(dict)
        monkeypatch.setattr(executor_loader, f"_{kind}_to_executors_per_team", table)
    monkeypatch.setattr(executor_loader, "_team_name_to_executors", defaultdict(list))
    monkeypatch.setattr(executor_loader, "_executor_names", [])


@pytest.fixture
def executor_table(database: Database) -> None:
    Log.metadata.create_all(database.engine, tables=[Log.__table__])


def row(state: str = "failed", executor: str | None = OURS) -> Any:
    return SimpleNamespace(
        id="1", dag_id="d", task_id="t", run_id="r", map_index=-1, try_number=1,
        state=state, executor=executor,
    )  # fmt: skip


def shown(handler: KeptLogs, ti: Any) -> list[str]:
    return [line for stream in handler.stream(PATH, ti)[1] for line in stream]


def test_without_another_handler_a_task_of_another_executor_has_none() -> None:
    with pytest.raises(NotImplementedError):
        KeptLogs().stream(PATH, row(executor=ANOTHER))


def test_the_first_executor_is_the_one_of_a_task_that_names_none() -> None:
    assert "No log of this try" in shown(KeptLogs(), row(executor=None))[0]


@pytest.mark.parametrize("inner", [Shelf("one\ntwo"), Streaming("one\ntwo")])
@pytest.mark.parametrize("executor", [OURS, ANOTHER])
def test_what_another_handler_has_is_shown_alone(inner: Any, executor: str) -> None:
    handler = KeptLogs(inner)
    assert shown(handler, row(executor=executor)) == ["one", "two"]
    assert handler.read(PATH, row(executor=executor)) == (["the shelf"], ["one\ntwo"])
    assert handler.processors == ("a processor",)


def test_an_upload_goes_to_the_other_handler() -> None:
    inner = Shelf()
    KeptLogs(inner).upload(PATH)
    assert inner.log == PATH
    KeptLogs().upload(PATH)


def test_what_is_on_this_machine_is_left_to_airflow(tmp_path: Path) -> None:
    file = tmp_path / f"{PATH}.pod-1.12345678.log"
    file.parent.mkdir(parents=True)
    file.write_text("kept\n")
    assert KeptLogs().stream(PATH, row()) == ([], [])


def test_where_no_log_is_left_the_event_log_is_shown() -> None:
    for sentence in ("It pends.", "It failed."):
        with create_session(scoped=False) as session:
            key = TaskInstanceKey("d", "t", "r", 1, -1)
            session.add(Log(event="podlift", task_instance=key, extra=sentence))
    lines = shown(KeptLogs(), row())
    assert "What the task's event log says" in lines[0]
    assert [
        sentence in line
        for sentence, line in zip(("It pends.", "It failed."), lines[1:], strict=True)
    ] == [True, True]


def test_a_scheduler_that_cannot_be_reached_is_named(database: Database) -> None:
    database.add_job(1)
    with database.engine.begin() as connection:
        connection.execute(update(Job).values(hostname="away.invalid"))
    sources, streams = KeptLogs().stream(PATH, row())
    assert len(sources) == 1
    assert "cannot be reached" in sources[0]
    assert any("try again later" in line for stream in streams for line in stream)


TEAMS = f"{ANOTHER};blue={OURS}"
"""Team blue has an executor of its own; all others share one that is not Podlift's."""


@pytest.fixture
def blue(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """DAG ``d`` belongs to team blue."""
    monkeypatch.setenv("AIRFLOW__CORE__MULTI_TEAM", "True")
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", TEAMS)
    # Airflow looks for the team's name in a session for each thread.
    monkeypatch.setattr(settings, "Session", scoped_session(sessionmaker(database.engine)))
    kinds: list[Any] = [Team, DagBundleModel]
    tables = [dag_bundle_team_association_table, *(kind.__table__ for kind in kinds)]
    Log.metadata.create_all(database.engine, tables=tables)
    with create_session(scoped=False) as session:
        session.merge(DagModel(dag_id="d", bundle_name="blues", fileloc="/d.py"))  # type: ignore[no-untyped-call]
        session.add(Team(name="blue"))
        bundle = DagBundleModel(name="blues")
        session.add(bundle)
        session.flush()
        session.execute(
            dag_bundle_team_association_table.insert().values(
                dag_bundle_name="blues", team_name="blue"
            )
        )


@pytest.mark.parametrize("executor", [None, OURS])
def test_a_task_of_a_team_has_its_teams_executor(blue: None, executor: str | None) -> None:
    with create_session(scoped=False) as session:
        key = TaskInstanceKey("d", "t", "r", 1, -1)
        session.add(Log(event="podlift", task_instance=key, extra="It failed."))
    assert "It failed." in shown(KeptLogs(), row(executor=executor))[1]


def test_a_task_of_a_team_may_have_an_executor_that_all_share(blue: None) -> None:
    with pytest.raises(NotImplementedError):
        KeptLogs().stream(PATH, row(executor=ANOTHER))


def test_a_task_of_no_team_has_the_shared_executor(blue: None) -> None:
    with pytest.raises(NotImplementedError):
        KeptLogs().stream(PATH, SimpleNamespace(**{**vars(row(executor=None)), "dag_id": "x"}))


def test_a_teams_pods_are_looked_for_where_its_options_say(
    blue: None, make_driver: MakeDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = make_driver(team="blue")
    monkeypatch.setenv("AIRFLOW__PODLIFT__NAMESPACE", "elsewhere")
    gate = {"spec": {"schedulingGates": [{"name": "podlift.dev/test"}]}}
    waits, runs = driver.task(override=gate), driver.task("echo from a pod; sleep 30")
    for task in (waits, runs):
        task.ti.dag_id = "d"
    driver.queue(waits, runs)
    driver.pod("Running")

    def page() -> str:
        queued = of(waits.ti, "queued")
        return "".join(line for each in KeptLogs().stream(PATH, queued)[1] for line in each)

    driver.until(lambda: "podlift.dev/test" in page() or "scheduling gates" in page())
    shared = KubernetesExecutor(parallelism=1)  # Airflow asks that one
    driver.until(lambda: "from a pod" in "".join(shared.get_task_log(of(runs.ti, "running"), 1)[1]))


def of(ti: Any, state: str) -> Any:
    """The row of a task instance."""
    columns = {**vars(row(state, None)), "id": str(ti.id), "task_id": ti.task_id}
    return SimpleNamespace(**{**columns, "run_id": ti.run_id})


@pytest.fixture
def handlers(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Where Airflow remembers its remote log handler."""
    remembered = logging_config._ActiveLoggingConfig
    monkeypatch.setattr(remembered, "remote_task_log", None)
    monkeypatch.setattr(remembered, "logging_config_loaded", True)
    return remembered


def test_the_plugin_does_nothing_in_a_tasks_process(
    handlers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "airflow.api_fastapi.app", raising=False)
    PodliftPlugin.on_load()
    assert handlers.remote_task_log is None


def test_the_plugin_takes_the_other_handlers_place_once_in_the_api_server(
    handlers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "airflow.api_fastapi.app", ModuleType("app"))
    handlers.remote_task_log = inner = Shelf()
    PodliftPlugin.on_load()
    PodliftPlugin.on_load()
    assert handlers.remote_task_log.inner is inner
    assert logging_config.get_remote_task_log() is handlers.remote_task_log


def test_airflow_finds_the_plugin() -> None:
    [point] = metadata.entry_points(group="airflow.plugins", name="podlift")
    assert point.load() is PodliftPlugin
