"""An API server that is busy, broken or unreachable for a while costs no task anything."""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from email.utils import formatdate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import yaml
from aiohttp import web

if TYPE_CHECKING:
    from tests.functional.conftest import Cluster
    from tests.functional.executor.conftest import MakeDriver

pytestmark = pytest.mark.functional

Trouble = Callable[[web.Request], Awaitable[web.StreamResponse | None]]


class TroubledServer:
    """Stands before the cluster and answers some creations of pods in its stead."""

    def __init__(self, cluster: Cluster, kubeconfig: Path) -> None:
        self.cluster = cluster
        self.kubeconfig = kubeconfig
        self.troubles: list[Trouble] = []
        self.creations = 0
        self.clock_ahead = 0.0
        """Seconds."""
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=[self._run()])

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(10)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._loop.close()

    async def _run(self) -> None:
        connector = aiohttp.TCPConnector(ssl=self.cluster.tls(), limit=0)
        async with aiohttp.ClientSession(
            connector=connector, auto_decompress=False
        ) as self.session:
            server = web.ServerRunner(web.Server(self._handle), shutdown_timeout=0.1)
            await server.setup()
            await web.TCPSite(server, "127.0.0.1", 0).start()
            self._write_kubeconfig(server.addresses[0][1])
            self._ready.set()
            await self._stop.wait()
            await server.cleanup()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await asyncio.sleep(0.1)  # TLS connections to the cluster say goodbye; nothing tells when

    def _write_kubeconfig(self, port: int) -> None:
        config = yaml.safe_load(self.cluster.kubeconfig.read_text())
        for entry in config["clusters"]:
            entry["cluster"] = {"server": f"http://127.0.0.1:{port}"}
        self.kubeconfig.write_text(yaml.safe_dump(config))

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method == "POST" and request.path.endswith("/pods"):
            self.creations += 1
            if self.troubles:
                answer = await self.troubles.pop(0)(request)  # type: ignore[arg-type]
                if answer is not None:
                    return answer
        return await self._forward(request)

    async def forward_silently(self, request: web.BaseRequest) -> None:
        """Let the cluster do what was asked, and keep its answer back."""
        headers = {"Authorization": f"Bearer {self.cluster.token}"}
        headers["Content-Type"] = request.headers.get("Content-Type", "application/json")
        url = self.cluster.url + request.raw_path
        async with self.session.request(
            request.method, url, data=await request.read(), headers=headers
        ) as upstream:
            assert upstream.status == 201, await upstream.text()

    async def _forward(self, request: web.BaseRequest) -> web.StreamResponse:
        headers = {"Authorization": f"Bearer {self.cluster.token}"}
        if request.content_type:
            headers["Content-Type"] = request.headers.get("Content-Type", "application/json")
        async with self.session.request(
            request.method,
            self.cluster.url + request.raw_path,
            data=await request.read(),
            headers=headers,
        ) as upstream:
            response = web.StreamResponse(status=upstream.status)
            response.headers["Date"] = formatdate(time.time() + self.clock_ahead, usegmt=True)
            response.content_type = upstream.content_type
            await response.prepare(request)
            async for piece in upstream.content.iter_any():
                await response.write(piece)
            await response.write_eof()
            return response


def refusal(code: int, reason: str, message: str, **headers: str) -> Trouble:
    async def answer(request: web.Request) -> web.StreamResponse:
        status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "status": "Failure",
            "message": message,
            "reason": reason,
            "code": code,
        }
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(
            status=code, text=json.dumps(status), content_type="application/json", headers=sent
        )

    return answer


async def reset(request: web.Request) -> web.StreamResponse | None:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


@pytest.fixture
def troubled(cluster: Cluster, tmp_path: Path) -> Iterator[TroubledServer]:
    server = TroubledServer(cluster, tmp_path / "troubled")
    server.start()
    yield server
    server.stop()


def test_a_busy_server_delays_a_task_and_its_event_log_says_why(
    troubled: TroubledServer, make_driver: MakeDriver
) -> None:
    busy = refusal(429, "TooManyRequests", "too many requests, please wait", Retry_After="1")
    troubled.troubles = [busy, refusal(503, "ServiceUnavailable", "etcd leader changed"), reset]
    driver = make_driver(config_file=troubled.kubeconfig)
    task = driver.task("echo hello")
    driver.queue(task)
    assert driver.end(task, 40.0) == ("success", None)
    assert troubled.creations == 4
    told = " ".join(driver.told())
    assert "too many requests, please wait" in told
    assert "etcd leader changed" in told


def test_a_creation_whose_answer_was_lost_does_not_make_a_second_pod(
    troubled: TroubledServer, make_driver: MakeDriver
) -> None:
    async def lost(request: web.Request) -> web.StreamResponse | None:
        await troubled.forward_silently(request)
        return await reset(request)

    troubled.troubles = [lost]
    driver = make_driver(config_file=troubled.kubeconfig)
    task = driver.task("sleep 2; echo once")
    driver.queue(task)
    assert driver.end(task, 40.0) == ("success", None)
    assert driver.kept_log(task).count("once") == 1
    assert troubled.creations <= 2


def test_a_used_up_quota_is_waited_for(troubled: TroubledServer, make_driver: MakeDriver) -> None:
    message = 'pods "x" is forbidden: exceeded quota: small, requested: pods=1, used: pods=1'
    troubled.troubles = [refusal(403, "Forbidden", message)]
    driver = make_driver(config_file=troubled.kubeconfig)
    task = driver.task("exit 0")
    driver.queue(task)
    assert driver.end(task, 40.0) == ("success", None)
    assert any("exceeded quota: small" in told for told in driver.told())


@pytest.mark.parametrize(
    ("code", "reason", "message"),
    [
        (403, "Forbidden", 'pods is forbidden: User "me" cannot create resource "pods"'),
        (404, "NotFound", 'namespaces "nowhere" not found'),
        (422, "Invalid", 'Pod "x" is invalid: spec.containers[0].image: Required value'),
        (400, "", 'admission webhook "a.example.org" denied the request: no latest tags'),
        (500, "", 'admission webhook "a.example.org" denied the request: and cannot say why'),
    ],
)
def test_what_can_never_succeed_fails_the_task_at_once_in_the_servers_words(
    troubled: TroubledServer, make_driver: MakeDriver, code: int, reason: str, message: str
) -> None:
    troubled.troubles = [refusal(code, reason, message)]
    driver = make_driver(config_file=troubled.kubeconfig)
    task = driver.task("exit 0")
    driver.queue(task)
    state, info = driver.end(task)
    assert state == "failed"
    assert message in info
    assert troubled.creations == 1


def test_a_webhook_that_could_not_be_asked_is_asked_again(
    troubled: TroubledServer, make_driver: MakeDriver
) -> None:
    message = 'Internal error occurred: failed calling webhook "a.example.org": timed out'
    troubled.troubles = [refusal(500, "InternalError", message)]
    driver = make_driver(config_file=troubled.kubeconfig)
    task = driver.task("exit 0")
    driver.queue(task)
    assert driver.end(task, 40.0) == ("success", None)
    assert any("failed calling webhook" in told for told in driver.told())


def test_a_server_whose_clock_differs_is_told_of_once_and_no_task_minds(
    troubled: TroubledServer, make_driver: MakeDriver, caplog: pytest.LogCaptureFixture
) -> None:
    troubled.clock_ahead = 3600.0
    driver = make_driver(config_file=troubled.kubeconfig)
    task = driver.task("exit 0")
    driver.queue(task)
    assert driver.end(task) == ("success", None)
    told = [each for each in caplog.messages if "clock" in each]
    assert len(told) == 1
    assert re.search("(3600|3599) s behind the Kubernetes API server", told[0])
