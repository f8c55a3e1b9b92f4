"""The log page, where the API server and the scheduler share no folder and nothing is configured.

Every log here was read through Airflow's REST API, after the pod was gone.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from tests.e2e.logs_run import Told, play
from tests.e2e.postgres import postgres
from tests.e2e.test_whole import space, template_of
from tests.e2e.whole_run import Scene

if TYPE_CHECKING:
    from tests.functional.conftest import Cluster
    from tests.machine import Machine

pytestmark = [pytest.mark.functional, pytest.mark.postgres]

__all__ = ["space"]


@pytest.fixture(scope="module")
def told(
    cluster: Cluster, machine: Machine, space: str, tmp_path_factory: pytest.TempPathFactory
) -> Told:
    """One run, of which every test says something."""
    folder = tmp_path_factory.mktemp("airflow")
    with postgres() as database:
        scene = Scene(
            folder=folder,
            database=database,
            kubeconfig=cluster.kubeconfig,
            namespace=space,
            address=machine.address,
            template=template_of(machine, folder / "pods"),
        )
        return asyncio.run(play(scene))


def test_all_came_to_the_end_that_they_should(told: Told) -> None:
    expected = dict.fromkeys(("hungry", "evicted", "deleted", "never_began"), "failed")
    assert told.states == {**expected, "good": "success", "waiting": "queued"}


def test_a_task_that_succeeded(told: Told) -> None:
    assert told.logs["good"].count("all is well") == 1


def test_a_task_that_used_too_much_memory(told: Told) -> None:
    log = told.logs["hungry"]
    assert log.count("the last words before the memory is gone") == 1
    assert "used more memory than its limit of 500Mi" in log


@pytest.mark.parametrize("task", ["evicted", "deleted"])
def test_a_task_whose_pod_was_taken_away(told: Told, task: str) -> None:
    log = told.logs[task]
    assert log.count(f"waiting to be {task}") == 1
    assert task in log.replace(f"waiting to be {task}", "")


def test_a_task_whose_pod_never_began(told: Told) -> None:
    assert "no-such-secret" in told.logs["never_began"]


def test_a_task_that_was_running(told: Told) -> None:
    assert told.running.count("waiting to be deleted") == 1


def test_a_task_whose_pod_was_pending(told: Told) -> None:
    assert "Insufficient cpu" in told.waiting


def test_the_cause_is_known_also_without_the_scheduler_that_kept_the_log(told: Told) -> None:
    log = told.without_scheduler["never_began"]
    assert "No log of this try is to be had any more" in log
    assert "no-such-secret" in log
