"""Tasks that the scheduler takes back, at every point of their lives, and queues again."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.functional.executor.holding import Hold, HoldingServer

if TYPE_CHECKING:
    from tests.functional.conftest import Cluster
    from tests.functional.executor.conftest import Driver, MakeDriver

pytestmark = pytest.mark.functional


@pytest.fixture
def server(cluster: Cluster, tmp_path: Path) -> Iterator[HoldingServer]:
    server = HoldingServer(cluster, tmp_path / "holding")
    server.start()
    yield server
    server.stop()


def revoke(driver: Driver, task: Any) -> None:
    driver.executor.revoke_task(ti=task.ti)


def nothing_is_left(driver: Driver, task: Any) -> None:
    driver.no_pods()
    assert driver.ends(task) == []
    assert driver.executor.running == set()


def test_one_that_waits_for_its_turn_never_gets_a_pod(
    make_driver: MakeDriver, server: HoldingServer
) -> None:
    server.holds = (hold := Hold("POST", "/pods"),)
    driver = make_driver(config_file=server.kubeconfig, pod_creation_max_concurrency=1)
    first, second = driver.task("exit 0", priority=2), driver.task("exit 0")
    driver.queue(first, second)
    driver.until(hold.met.is_set)
    revoke(driver, second)
    assert driver.executor.running == {first.ti.key}
    server.holds = ()
    driver.beat()
    assert driver.pods() == []
    assert driver.ends(second) == []


def test_one_whose_pod_is_being_created_leaves_none(
    make_driver: MakeDriver, server: HoldingServer
) -> None:
    server.holds = (hold := Hold("POST", "/pods", carried_out=True),)
    driver = make_driver(config_file=server.kubeconfig, request_timeout=1)
    task = driver.task("sleep 60")
    driver.queue(task)
    driver.until(hold.met.is_set)
    revoke(driver, task)
    nothing_is_left(driver, task)


@pytest.mark.parametrize("phase", ["Pending", "Running"])
def test_one_whose_pod_is_there_leaves_none(driver: Driver, phase: str) -> None:
    gates = [{"name": "podlift.dev/test"}]
    base = {"name": "base", "command": ["sh", "-c", "sleep 60"]}
    spec = {"containers": [base], **({"schedulingGates": gates} if phase == "Pending" else {})}
    task = driver.task(override={"spec": spec})
    driver.queue(task)
    driver.pod(phase)
    revoke(driver, task)
    nothing_is_left(driver, task)


def test_one_that_has_ended_was_reported_and_is_not_again(driver: Driver) -> None:
    task = driver.task("exit 3")
    driver.queue(task)
    driver.end(task)
    revoke(driver, task)
    driver.no_pods()
    assert len(driver.ends(task)) == 1


def test_one_that_was_stuck_and_is_queued_again_never_has_two_pods(
    driver: Driver, cluster: Cluster
) -> None:
    # The scheduler takes it back just as its worker starts, and queues the same task instance.
    seen = _Overlap(driver)
    first = driver.task("trap '' TERM; sleep 60")
    again = driver.again(first, "echo second")
    driver.queue(first)
    driver.pod("Running")
    with seen:
        revoke(driver, first)
        driver.queue(again)
        assert driver.end(again) == ("success", None)
    assert seen.most == 1
    assert "second" in driver.kept_log(again)
    driver.no_pods()
    assert len(driver.ends(again)) == 1


def test_one_that_is_taken_back_again_and_again_runs_once_in_the_end(driver: Driver) -> None:
    seen = _Overlap(driver)
    first = driver.task("sleep 60")
    with seen:
        driver.queue(first)
        for _ in range(3):
            driver.beat()
            revoke(driver, first)
            again = driver.again(first, "echo last")
            driver.queue(again)
        assert driver.end(again) == ("success", None)
    assert seen.most <= 1
    driver.no_pods()
    assert len(driver.ends(again)) == 1
    assert driver.executor.running == set()


class _Overlap:
    """Looks from outside how many pods run at the same time."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.most = 0

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stop.wait(0.02):
            live = [
                pod
                for pod in self._driver.pods()
                if pod["status"]["phase"] not in ("Succeeded", "Failed")
            ]
            self.most = max(self.most, len(live))


#: A pod that takes four seconds to end when it is told to.
_SLOW_TO_END = {
    "terminationGracePeriodSeconds": 20,
    "containers": [
        {
            "name": "base",
            "command": ["sh", "-c", "trap 'sleep 4; exit 143' TERM; sleep 60 & wait"],
        }
    ],
}


def taken_back_and_queued_again(driver: Driver) -> tuple[Any, dict[str, Any]]:
    """The task that waits for its former pod to end, and that pod."""
    first = driver.task(override={"spec": _SLOW_TO_END})
    driver.queue(first)
    pod = driver.pod("Running")
    revoke(driver, first)
    driver.until(lambda: "deletionTimestamp" in driver.pods()[0]["metadata"])
    again = driver.again(first, "sleep 1")
    driver.queue(again)
    driver.beat()
    return again, pod


_ANOTHERS = {"podlift.dev/executor": "99-another", "podlift.dev/adoptions": "1"}


def is_taken_over(driver: Driver, pod: dict[str, Any]) -> None:
    """Another scheduler still took the task for its own."""
    path = f"/api/v1/namespaces/{driver.namespace}/pods/{pod['metadata']['name']}"
    patch = {"metadata": {"annotations": _ANOTHERS}}
    kind = "application/merge-patch+json"
    assert driver.cluster.request("PATCH", path, patch, Content_Type=kind)[0] == 200


def test_one_whose_pod_another_scheduler_took_over_waits_for_that_pod(driver: Driver) -> None:
    again, pod = taken_back_and_queued_again(driver)
    is_taken_over(driver, pod)

    ends_alone(driver, again)
    driver.no_pods()


def anothers_second(driver: Driver, first: dict[str, Any]) -> str:
    """Another scheduler gave the task its second pod, for a few seconds. Returns its name."""
    meta = first["metadata"]
    name: str = meta["name"].removesuffix("-1") + "-2"
    notes = meta["annotations"] | _ANOTHERS
    notes |= {"podlift.dev/launch": "2", "podlift.dev/execution": "anothers"}
    second = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": meta["labels"], "annotations": notes},
        "spec": {
            "restartPolicy": "Never",
            "containers": [{"name": "base", "image": "busybox:1.36", "command": ["sleep", "8"]}],
        },
    }
    path = f"/api/v1/namespaces/{driver.namespace}/pods"
    assert driver.cluster.request("POST", path, second)[0] == 201
    return name


def names(driver: Driver) -> set[str]:
    return {pod["metadata"]["name"] for pod in driver.pods()}


def ends_alone(driver: Driver, task: Any) -> None:
    """It ends well, and there never were two living pods."""

    def in_turn() -> bool:
        phases = {each["metadata"]["name"]: each["status"]["phase"] for each in driver.pods()}
        living = {each for each, phase in phases.items() if phase in ("Pending", "Running")}
        assert len(living) <= 1, phases
        return bool(driver.ends(task))

    driver.until(in_turn)
    assert driver.ends(task) == [("success", None)]


def test_one_to_which_another_scheduler_gave_its_next_pod_waits_for_that_one(
    make_driver: MakeDriver, server: HoldingServer
) -> None:
    driver = make_driver(config_file=server.kubeconfig, request_timeout=1)
    again, pod = taken_back_and_queued_again(driver)
    anothers_second(driver, pod)
    server.holds = (hold := Hold("POST", "/pods"),)
    is_taken_over(driver, pod)
    driver.until(hold.met.is_set)
    path = f"/api/v1/namespaces/{driver.namespace}/pods/{pod['metadata']['name']}"
    assert driver.cluster.request("DELETE", f"{path}?gracePeriodSeconds=0")[0] == 200
    server.holds = ()
    ends_alone(driver, again)


def test_one_whose_last_pod_is_known_to_airflow_only_waits_for_that_one(driver: Driver) -> None:
    first = driver.task("sleep 60")
    driver.queue(first)
    pod = driver.pod("Running")
    second = anothers_second(driver, pod)
    revoke(driver, first)
    driver.until(lambda: pod["metadata"]["name"] not in names(driver))
    again = driver.again(first, "sleep 1")
    again.ti.external_executor_id = second
    driver.queue(again)
    ends_alone(driver, again)


def test_one_whose_pod_another_scheduler_is_about_to_replace_waits_for_that_one(
    make_driver: MakeDriver,
) -> None:
    former = make_driver()
    first = former.task("sleep 8")
    former.queue(first)
    pod = former.pod("Running")
    former.executor.end()  # it had told Airflow the name of the second one already
    driver = make_driver()
    again = driver.again(first, "sleep 1")
    again.ti.external_executor_id = pod["metadata"]["name"].removesuffix("-1") + "-2"
    driver.queue(again)
    ends_alone(driver, again)
