"""Pains that users of other executors report, which are shown here to be none.

``docs/known-pains.md`` lists them all, with the test that shows each; those that need something to
go wrong between the executor and the API server are here.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from tests.chaos.access import cluster_of
from tests.chaos.faults import CLEAR, Fault, Faults, Weather
from tests.chaos.proxy import Proxy

if TYPE_CHECKING:
    from tests.functional.conftest import Cluster
    from tests.functional.executor.conftest import Driver, MakeDriver

pytestmark = pytest.mark.functional

MUTE = Weather("mute", (0, 0), {Fault.NO_ANSWER: 1.0}, {})
SLOW = Weather("slow", (0, 0), {Fault.LATENCY: 1.0}, {})
CUT_OFF = Weather("partition", (0, 0), {}, {}, partition=True)


class Detour:
    """A proxy before the cluster, in a thread of its own; a test chooses its weather."""

    def __init__(self, kubeconfig: Path, folder: Path) -> None:
        self.kubeconfig = folder / "kubeconfig"
        self._faults = Faults(1)
        self._proxy: Proxy | None = None
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        work = self._run(kubeconfig, folder)
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=[work])

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(10)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._loop.close()

    def weather(self, weather: Weather) -> None:
        self._faults.weather = weather
        if weather.partition:
            assert self._proxy is not None
            self._loop.call_soon_threadsafe(self._proxy.cut_all)

    def requests(self, method: str) -> int:
        assert self._proxy is not None
        return self._proxy.requests.get(method, 0)

    async def _run(self, kubeconfig: Path, folder: Path) -> None:
        async with cluster_of(kubeconfig) as cluster:
            self._proxy = Proxy(cluster, self._faults, folder)
            await self._proxy.start()
            self._ready.set()
            await self._stop.wait()
            await self._proxy.stop()
        await asyncio.sleep(0.05)


@pytest.fixture
def detour(cluster: Cluster, tmp_path: Path) -> Iterator[Detour]:
    folder = tmp_path / "detour"
    folder.mkdir()
    proxy = Detour(cluster.kubeconfig, folder)
    proxy.start()
    yield proxy
    proxy.stop()


@pytest.fixture
def far(detour: Detour, make_driver: MakeDriver) -> Driver:
    """An executor that reaches the cluster by the detour only."""
    return make_driver(config_file=detour.kubeconfig, request_timeout=2)


def slowest_beat(driver: Driver, seconds: float) -> float:
    """The longest that a heartbeat took, in seconds of this thread's own processor time."""
    slowest, end = 0.0, time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.monotonic()
        driver.beat()
        slowest = max(slowest, time.monotonic() - began)
        time.sleep(0.02)
    return slowest


def test_a_server_that_does_not_answer_does_not_hold_up_the_schedulers_loop(
    detour: Detour, far: Driver
) -> None:
    detour.weather(MUTE)
    tasks = [far.task("exit 0") for _ in range(20)]
    far.queue(*tasks)
    # An unanswered request takes two seconds; one heartbeat after another goes on meanwhile.
    assert slowest_beat(far, 1.5) < 1.0
    detour.weather(CLEAR)
    for task in tasks:
        assert far.end(task, 60.0)[0] == "success"


def test_one_heartbeat_is_enough_to_have_all_pods_created_and_they_are_created_side_by_side(
    detour: Detour, far: Driver
) -> None:
    detour.weather(SLOW)  # each answer comes 0.7 s late
    tasks = [far.task("sleep 60") for _ in range(12)]
    far.queue(*tasks)
    began = time.monotonic()
    far.beat()
    while len(far.pods()) < len(tasks):
        assert time.monotonic() - began < 7.0, "as long as one after the other would take"
        time.sleep(0.05)


def test_what_ended_while_the_line_was_down_holds_no_slot(
    detour: Detour, make_driver: MakeDriver
) -> None:
    far = make_driver(config_file=detour.kubeconfig, request_timeout=2, infrastructure_retries=0)
    ends, vanishes = far.task("sleep 2"), far.task("sleep 60")
    far.queue(ends, vanishes)
    far.until(lambda: _phases(far) == ["Running", "Running"])
    detour.weather(CUT_OFF)
    gone = next(pod for pod in far.pods() if _task(pod) == vanishes.ti.task_id)
    name = gone["metadata"]["name"]
    path = f"/api/v1/namespaces/{far.namespace}/pods/{name}?gracePeriodSeconds=0"
    assert far.cluster.request("DELETE", path)[0] == 200
    far.until(lambda: "Succeeded" in _phases(far))
    detour.weather(CLEAR)
    assert far.end(ends, 40.0) == ("success", None)
    far.until(lambda: vanishes.ti.key not in far.executor.running, 40.0)
    far.no_pods()
    assert far.executor.slots_occupied == 0


def test_a_task_costs_one_request_to_create_and_one_to_delete_and_no_polling(
    detour: Detour, far: Driver
) -> None:
    first = far.task("exit 0")
    far.queue(first)
    far.end(first)
    far.no_pods()
    creations, deletions = detour.requests("POST"), detour.requests("DELETE")
    reads = detour.requests("GET")
    tasks = [far.task("sleep 1") for _ in range(5)]
    far.queue(*tasks)
    for task in tasks:
        far.end(task)
    far.no_pods()
    assert detour.requests("POST") - creations == 5
    assert detour.requests("DELETE") - deletions == 5
    assert detour.requests("GET") - reads <= 5  # the logs; no pod is asked for


def test_taking_over_thousands_of_tasks_does_not_hold_up_the_schedulers_loop(
    detour: Detour, far: Driver
) -> None:
    detour.weather(MUTE)
    tasks = [far.task() for _ in range(7000)]
    orphans: list[Any] = [
        SimpleNamespace(
            id=task.ti.id, key=task.ti.key, state="queued", queued_by_job_id=1, queued_dttm=None
        )
        for task in tasks
    ]
    began = time.monotonic()
    assert far.executor.try_adopt_task_instances(orphans) == []
    assert time.monotonic() - began < 2.0
    assert slowest_beat(far, 0.5) < 1.0


def test_why_a_pod_does_not_start_is_told_while_it_waits(driver: Driver) -> None:
    base = {"name": "base", "resources": {"requests": {"cpu": "100000"}}}
    task = driver.task(override={"spec": {"containers": [base]}})
    driver.queue(task)
    driver.until(lambda: any("cpu" in told for told in driver.told()))
    assert driver.ends(task) == []


def _phases(driver: Driver) -> list[str]:
    return sorted(pod["status"]["phase"] for pod in driver.pods())


def _task(pod: dict[str, Any]) -> str:
    name: str = pod["metadata"]["labels"]["task_id"]
    return name
