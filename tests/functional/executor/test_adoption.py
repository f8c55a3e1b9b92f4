"""A scheduler that dies loses nothing: the next one finds the pods and goes on."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from tests.functional.executor.schedulers import left_behind
from tests.functional.executor.test_busy_server import TroubledServer

if TYPE_CHECKING:
    from tests.functional.conftest import Cluster
    from tests.functional.executor.conftest import Driver, MakeDriver

pytestmark = pytest.mark.functional


def orphan(task: Any, state: str = "running") -> Any:
    """The task instance as the scheduler reads it from its database."""
    return SimpleNamespace(id=task.ti.id, key=task.ti.key, state=state, queued_by_job_id=None)


def die(driver: Driver) -> None:
    """The scheduler is gone from one moment to the next, as far as anyone can see."""
    driver.executor.end()


def test_a_running_task_goes_on_and_its_end_is_reported_by_the_next_scheduler(
    make_driver: MakeDriver,
) -> None:
    first = make_driver()
    task = first.task("sleep 2; echo done; exit 3")
    first.queue(task)
    first.pod("Running")
    die(first)

    second = make_driver()
    assert second.executor.try_adopt_task_instances([orphan(task)]) == []
    assert second.executor.running == {task.ti.key}
    state, info = second.end(task)
    assert state == "failed"
    assert "exit code 3" in info
    assert "done" in second.kept_log(task)
    second.no_pods()


class LateServer(TroubledServer):
    """Has the cluster take a pod over at once, and says so only when it is told to."""

    def __init__(self, cluster: Cluster, kubeconfig: Path) -> None:
        super().__init__(cluster, kubeconfig)
        self.taken, self.answer = threading.Event(), threading.Event()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method != "PATCH":
            return await super()._handle(request)
        headers = {"Authorization": f"Bearer {self.cluster.token}"}
        headers["Content-Type"] = request.headers["Content-Type"]
        url, body = self.cluster.url + request.raw_path, await request.read()
        async with self.session.patch(url, data=body, headers=headers) as upstream:
            pod = await upstream.read()
        self.taken.set()
        await asyncio.get_running_loop().run_in_executor(None, self.answer.wait, 30)
        return web.Response(status=upstream.status, body=pod, content_type="application/json")


@pytest.mark.parametrize("last", ["exits", "is deleted"])
def test_an_end_between_the_takeover_and_its_answer_is_not_missed(
    make_driver: MakeDriver, cluster: Cluster, tmp_path: Path, last: str
) -> None:
    first = make_driver()
    task = first.task("trap 'exit 0' TERM; sleep 3 & wait")
    first.queue(task)
    name = first.pod("Running")["metadata"]["name"]
    die(first)
    server = LateServer(cluster, tmp_path / "late")
    server.start()
    try:
        second = make_driver(config_file=server.kubeconfig)
        assert second.executor.try_adopt_task_instances([orphan(task)]) == []
        assert server.taken.wait(20)
        if last == "exits":
            second.pod("Succeeded")
        else:
            path = f"/api/v1/namespaces/{second.namespace}/pods/{name}?gracePeriodSeconds=0"
            second.cluster.request("DELETE", path)
            second.no_pods()
        watched = time.monotonic() + 0.5
        second.until(lambda: time.monotonic() > watched)
        server.answer.set()
        if last == "exits":
            assert second.end(task) == ("success", None)
        else:
            second.until(lambda: second.events)
        second.no_pods()
    finally:
        server.answer.set()
        second.executor.end()
        server.stop()


def test_a_task_that_ended_while_nobody_looked_is_reported_too(make_driver: MakeDriver) -> None:
    first = make_driver()
    task = first.task("sleep 0.3")
    first.queue(task)
    first.until(first.pods)
    die(first)
    first.executor.start()  # only to look: it owns nothing
    first.pod("Succeeded")

    second = make_driver()
    assert second.executor.try_adopt_task_instances([orphan(task)]) == []
    assert second.end(task) == ("success", None)
    second.no_pods()


@pytest.mark.parametrize("state", ["queued", "running"])
def test_what_has_no_pod_gets_one_and_loses_no_try(make_driver: MakeDriver, state: str) -> None:
    driver = make_driver()
    lost = driver.task("echo found again")
    driver.know(lost, state)
    assert driver.executor.try_adopt_task_instances([orphan(lost, state)]) == []
    assert driver.executor.running == {lost.ti.key}
    assert driver.end(lost) == ("success", None)
    row = driver.database.row(str(lost.ti.id))
    assert (row.state, row.try_number) == ("queued", 1)  # its worker is a shell, and says nothing
    assert "found again" in driver.every_log()
    assert driver.executor.running == set()
    driver.no_pods()


def test_what_is_over_meanwhile_gets_no_pod(make_driver: MakeDriver) -> None:
    driver = make_driver()
    lost = driver.task("echo never")
    driver.know(lost, "success")
    assert driver.executor.try_adopt_task_instances([orphan(lost)]) == []
    driver.until(lambda: not driver.executor.running)
    assert driver.pods() == []


def test_adopting_twice_what_has_no_pod_makes_one(make_driver: MakeDriver) -> None:
    # Airflow repeats it when its own transaction could not be completed.
    driver = make_driver()
    lost = driver.task("sleep 1; echo once")
    driver.know(lost)
    for _ in range(3):
        assert driver.executor.try_adopt_task_instances([orphan(lost, "queued")]) == []
    assert driver.end(lost) == ("success", None)
    assert driver.every_log().count("once") == 1
    assert len(driver.ends(lost)) == 1


def test_two_schedulers_do_not_both_report_a_task_that_changed_hands(
    make_driver: MakeDriver,
) -> None:
    # The first one was thought to be dead, but was only slow.
    slow, second = make_driver(), make_driver()
    task = slow.task("sleep 2")
    slow.queue(task)
    slow.pod("Running")
    assert second.executor.try_adopt_task_instances([orphan(task)]) == []
    assert second.end(task) == ("success", None)
    second.no_pods()
    slow.until(lambda: not slow.executor.running)
    assert slow.ends(task) == []


def test_a_task_queued_by_another_scheduler_waits_for_the_pod_that_is_still_there(
    make_driver: MakeDriver,
) -> None:
    # As after a deferral that another scheduler resumes: the same UUID, so the same pod name.
    one, other = make_driver(), make_driver()
    first = one.task("sleep 2; echo first")
    again = one.again(first, "echo second")
    one.queue(first)
    one.pod("Running")
    other.queue(again)
    other.beat()
    one.end(first)
    assert other.end(again) == ("success", None)
    log = other.kept_log(first)
    assert log.index("first") < log.index("second")
    other.no_pods()


def resumed(driver: Driver, task: Any) -> None:
    """A worker has deferred the task, and Airflow has queued it again; the pod has not ended."""
    driver.database.set(str(task.ti.id), state="queued", next_method="execute_complete")


@pytest.mark.parametrize("holder", ["another scheduler", "the same one"])
def test_a_pod_in_which_a_task_was_deferred_is_not_taken_for_the_one_that_goes_on_with_it(
    make_driver: MakeDriver, holder: str
) -> None:
    # Somebody queued the task again, and died before there was a pod for it.
    one = make_driver(job_id=7)
    task = one.task("sleep 2; echo one part")
    one.queue(task)
    one.pod("Running")
    resumed(one, task)
    if holder == "another scheduler":
        die(one)
        one = make_driver(job_id=8)
    assert one.executor.try_adopt_task_instances([left_behind(task, "queued")]) == []
    assert one.end(task) == ("success", None)
    assert one.every_log().count("one part") == 2
    assert any("deferred" in each for each in one.told())
    one.no_pods()
    assert len(one.ends(task)) == 1


def test_a_task_that_began_and_ended_after_its_takeover_has_ended(make_driver: MakeDriver) -> None:
    first = make_driver(job_id=7)
    task = first.task("sleep 2; echo once")
    first.queue(task)
    first.pod("Running")
    die(first)
    second = make_driver(job_id=8)
    assert second.executor.try_adopt_task_instances([left_behind(task, "queued")]) == []
    second.database.set(str(task.ti.id), state="success", queued_by_job_id=8)
    assert second.end(task) == ("success", None)
    assert second.every_log().count("once") == 1
    second.no_pods()
