"""Logs elsewhere: written by Airflow's own handlers to a server, read through its REST API.

The server of S3 is a real one; that of Azure is Microsoft's emulator.
Every log here was read after the pod was gone; then once more after the scheduler had stopped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.e2e.azure import azure
from tests.e2e.logs_run import DAG, TASKS, Told, play
from tests.e2e.postgres import postgres
from tests.e2e.s3 import s3
from tests.e2e.stores import PREFIX, Store
from tests.e2e.test_whole import space, template_of
from tests.e2e.whole_run import RUN, Scene

if TYPE_CHECKING:
    from tests.functional.conftest import Cluster
    from tests.machine import Machine

pytestmark = [pytest.mark.functional, pytest.mark.postgres]

__all__ = ["space"]

Serve = Callable[[str, Path], AbstractContextManager[Store]]
_SERVED = [
    pytest.param(s3, id="s3", marks=pytest.mark.provider("amazon")),
    pytest.param(azure, id="azure", marks=pytest.mark.provider("microsoft-azure")),
]


@dataclass(frozen=True)
class Played:
    """What the log pages said, and what lay where in the end."""

    told: Told
    objects: dict[str, str]
    """What the store held, by name."""
    schedulers: dict[str, str]
    """The task logs on the scheduler's disk, by path."""

    def brought(self, task: str) -> str:
        """The one object with the log of the task's only try."""
        key = f"{PREFIX}/dag_id={DAG}/run_id={RUN}/task_id={task}/attempt=1.log"
        return self.objects[key]


@pytest.fixture(scope="module", params=_SERVED)
def played(
    request: pytest.FixtureRequest,
    cluster: Cluster,
    machine: Machine,
    space: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Played]:
    """One run, of which every test says something."""
    folder = tmp_path_factory.mktemp("airflow")
    serve: Serve = request.param
    with postgres() as database, serve(machine.address, folder / "store") as store:
        scene = Scene(
            folder=folder,
            database=database,
            kubeconfig=cluster.kubeconfig,
            namespace=space,
            address=machine.address,
            template=_told_of(store, template_of(machine, folder / "pods")),
        )
        told = asyncio.run(play(scene, store))
        yield Played(told, store.objects(), _task_logs(folder))


def _told_of(store: Store, template: dict[str, Any]) -> dict[str, Any]:
    """The template, with the options for the pods; the connection they get from Airflow."""
    [base] = template["spec"]["containers"]
    options = {f"AIRFLOW__LOGGING__{name.upper()}": text for name, text in store.logging().items()}
    variables = options | store.environment
    base["env"] += [{"name": name, "value": value} for name, value in variables.items()]
    return template


def _task_logs(folder: Path) -> dict[str, str]:
    root = folder / "airflow" / "logs"
    files = (file for file in root.rglob("attempt=*") if file.is_file())
    return {str(file.relative_to(root)): file.read_text() for file in files}


def test_all_came_to_the_end_that_they_should(played: Played) -> None:
    expected = dict.fromkeys(("hungry", "evicted", "deleted", "never_began"), "failed")
    assert played.told.states == {**expected, "good": "success", "waiting": "queued"}


def test_a_worker_brought_its_log(played: Played) -> None:
    assert played.brought("good").count("all is well") == 1
    assert played.told.logs["good"].count("all is well") == 1


@pytest.mark.parametrize("task", ["evicted", "deleted"])
def test_of_a_pod_that_was_taken_away_log_and_cause_are_there_once(
    played: Played, task: str
) -> None:
    for log in (played.brought(task), played.told.logs[task]):
        assert log.count(f"waiting to be {task}") == 1
        assert task in log.replace(f"waiting to be {task}", "")


def test_of_a_pod_without_memory_the_last_words_and_the_cause_are_there(played: Played) -> None:
    for log in (played.brought("hungry"), played.told.logs["hungry"]):
        assert log.count("the last words before the memory is gone") == 1
        assert "used more memory than its limit of 500Mi" in log


def test_of_a_pod_that_never_began_the_cause_is_there(played: Played) -> None:
    assert "no-such-secret" in played.brought("never_began")
    assert "no-such-secret" in played.told.logs["never_began"]


def test_a_log_is_in_one_place_only(played: Played) -> None:
    assert played.schedulers == {}
    assert len(played.objects) == len(TASKS)


def test_no_scheduler_is_needed_to_read_them(played: Played) -> None:
    assert played.told.without_scheduler == played.told.logs


def test_a_task_that_ran_was_heard_while_it_did(played: Played) -> None:
    assert played.told.running.count("waiting to be deleted") == 1
