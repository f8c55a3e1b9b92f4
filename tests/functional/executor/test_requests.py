"""What a task costs the API server: one request to create its pod, one to delete it."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import pytest
import yaml
from aiohttp import web

if TYPE_CHECKING:
    from tests.functional.conftest import Cluster
    from tests.functional.executor.conftest import MakeDriver

pytestmark = pytest.mark.functional

_PLACE = re.compile(r"/namespaces/[^/]+(/(?P<kind>[a-z]+)(/[^/]+(?P<sub>/[a-z]+)?)?)?")


class CountingServer:
    """Stands before the cluster, passes everything on, and counts it."""

    def __init__(self, cluster: Cluster, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig
        self.counts: Counter[str] = Counter()
        self.under_way: Counter[str] = Counter()
        self.most_at_once: Counter[str] = Counter()
        self.held: dict[str, asyncio.Event] = {}
        """Requests of these kinds wait for the event."""
        self.busy: dict[str, float] = {}
        """Methods that are refused once, with the seconds after which to come back."""
        self.refused_at = self.back_at = 0.0
        self._cluster = cluster
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=[self._run()])

    def __enter__(self) -> CountingServer:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._loop.close()

    def let_go(self, what: str) -> None:
        """Pass on what was held of this kind, and whatever comes after it."""
        self._loop.call_soon_threadsafe(self.held[what].set)

    async def _run(self) -> None:
        connector = aiohttp.TCPConnector(ssl=self._cluster.tls(), limit=0)
        headers = {"Authorization": f"Bearer {self._cluster.token}"}
        async with aiohttp.ClientSession(
            self._cluster.url, connector=connector, headers=headers
        ) as self._session:
            server = web.Server(self._handle, handler_cancellation=True)
            runner = web.ServerRunner(server, shutdown_timeout=0.1)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            config = yaml.safe_load(self._cluster.kubeconfig.read_text())
            for entry in config["clusters"]:
                entry["cluster"] = {"server": f"http://127.0.0.1:{runner.addresses[0][1]}"}
            self.kubeconfig.write_text(yaml.safe_dump(config))
            self._ready.set()
            await self._stop.wait()
            await runner.cleanup()
        await asyncio.sleep(0.05)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        place = _PLACE.search(request.path)
        assert place is not None, request.path
        method = "WATCH" if "watch" in request.query else request.method
        what = f"{method} {place['kind']}{place['sub'] or ''}"
        self.counts[what] += 1
        self.under_way[what] += 1
        self.most_at_once[what] = max(self.most_at_once[what], self.under_way[what])
        try:
            if what in self.held:
                await self.held[what].wait()
            return await self._answer(request, method)
        finally:
            self.under_way[what] -= 1

    async def _answer(self, request: web.BaseRequest, method: str) -> web.StreamResponse:
        if (seconds := self.busy.pop(method, None)) is not None:
            self.refused_at = time.monotonic()
            return web.Response(status=429, headers={"Retry-After": str(seconds)})
        if self.refused_at and not self.back_at and method == "DELETE":
            self.back_at = time.monotonic()
        sent = {"Content-Type": request.headers.get("Content-Type", "application/json")}
        async with self._session.request(
            request.method, request.raw_path, data=await request.read(), headers=sent
        ) as upstream:
            answer = web.StreamResponse(status=upstream.status)
            answer.content_type = upstream.content_type
            await answer.prepare(request)
            async for piece in upstream.content.iter_any():
                await answer.write(piece)
            return answer


@pytest.fixture
def counting(cluster: Cluster, tmp_path: Path) -> Iterator[CountingServer]:
    with CountingServer(cluster, tmp_path / "counting") as server:
        yield server


def test_a_task_costs_one_creation_and_one_deletion_and_all_share_one_watch(
    counting: CountingServer, make_driver: MakeDriver
) -> None:
    driver = make_driver(config_file=counting.kubeconfig)
    tasks = [driver.task("exit 0") for _ in range(12)]
    for each in tasks:
        assert each.log_path
        log = driver.logs / each.log_path  # as where the worker writes to a shared volume
        log.parent.mkdir(parents=True, exist_ok=True)
        log.touch()
    driver.queue(*tasks)
    for each in tasks:
        assert driver.end(each) == ("success", None)
    driver.no_pods()
    asked = dict(counting.counts)
    key = {name: asked.pop(name) for name in list(asked) if name.endswith(" secrets")}
    assert sum(key.values()) <= 2  # the seal's key, once
    assert asked == {"GET pods": 1, "WATCH pods": 1, "POST pods": 12, "DELETE pods": 12}


def test_a_log_that_nobody_keeps_costs_one_request_more(
    counting: CountingServer, make_driver: MakeDriver
) -> None:
    driver = make_driver(config_file=counting.kubeconfig)
    tasks = [driver.task("echo done") for _ in range(3)]
    driver.queue(*tasks)
    for each in tasks:
        driver.end(each)
    driver.no_pods()
    assert counting.counts["GET pods/log"] == 3
    assert counting.counts["POST pods"] == counting.counts["DELETE pods"] == 3


def test_a_deletion_that_a_busy_server_refuses_comes_back_when_it_says(
    counting: CountingServer, make_driver: MakeDriver
) -> None:
    counting.busy = {"DELETE": 2.0}
    driver = make_driver(config_file=counting.kubeconfig)
    task = driver.task("exit 0")
    driver.queue(task)
    assert driver.end(task) == ("success", None)
    driver.no_pods()
    assert counting.back_at - counting.refused_at >= 2.0
    assert counting.counts["DELETE pods"] == 2


def test_no_more_requests_are_under_way_at_once_than_allowed(
    counting: CountingServer, make_driver: MakeDriver
) -> None:
    counting.held = {what: asyncio.Event() for what in ("POST pods", "DELETE pods")}
    driver = make_driver(config_file=counting.kubeconfig, pod_creation_max_concurrency=3)
    tasks = [driver.task("exit 0") for _ in range(20)]
    driver.queue(*tasks)
    driver.until(lambda: counting.under_way["POST pods"] == 3)
    counting.let_go("POST pods")
    for each in tasks:  # told of, though no pod is deleted yet
        assert driver.end(each) == ("success", None)
    driver.until(lambda: counting.under_way["DELETE pods"] == 16)
    counting.let_go("DELETE pods")
    driver.no_pods()
    assert counting.most_at_once["POST pods"] == 3
    assert counting.most_at_once["DELETE pods"] == 16
