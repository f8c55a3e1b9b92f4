"""Clusters that refuse something, are busy, or never end an answer."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, ClientTimeout, TCPConnector, web

from podlift.operators.errors import PodFailed, PodNotObserved
from podlift.pods.diagnosis import Cause

from .conftest import Task

pytestmark = pytest.mark.functional

Answer = web.Response | None
Refuse = Callable[[web.BaseRequest], Answer]
MakeTask = Callable[..., Task]


def status(code: int, reason: str, **headers: str) -> web.Response:
    """What an API server answers when it refuses."""
    body = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": f"{reason} by the test",
        "reason": reason,
        "code": code,
    }
    return web.json_response(body, status=code, headers=headers)


class Gate:
    """Stands before the API server, with a user's rights and moods of its own."""

    def __init__(self, cluster: Any) -> None:
        self._cluster = cluster
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self.refuse: Refuse = lambda request: None
        self.hold_logs_open = False
        self.port = 0

    def __enter__(self) -> Gate:
        self._thread.start()
        self._call(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _open(self) -> None:
        self._closing = asyncio.Event()
        tls: ssl.SSLContext = self._cluster.tls()
        self._session = ClientSession(
            connector=TCPConnector(ssl=tls),
            timeout=ClientTimeout(total=None),
            auto_decompress=False,
        )
        self._runner = web.ServerRunner(web.Server(self._serve), shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def _close(self) -> None:
        self._closing.set()
        await self._runner.cleanup()
        await self._session.close()
        await asyncio.sleep(0.1)  # TLS connections close in the background, and nothing tells when

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        refusal = self.refuse(request)
        if refusal is not None:
            return refusal
        headers = {"Content-Type": request.headers.get("Content-Type", "application/json")}
        if self._cluster.token:
            headers["Authorization"] = f"Bearer {self._cluster.token}"
        url = f"{self._cluster.url}{request.rel_url}"
        async with self._session.request(
            request.method, url, data=await request.read(), headers=headers
        ) as upstream:
            answer = web.StreamResponse(status=upstream.status)
            answer.content_type = upstream.content_type
            await answer.prepare(request)
            async for data in upstream.content.iter_any():
                await answer.write(data)
        if self.hold_logs_open and "follow" in request.query:
            await self._closing.wait()
        return answer


@pytest.fixture
def gate(cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    with Gate(cluster) as running:
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_text(
            "apiVersion: v1\nkind: Config\ncurrent-context: gate\n"
            f"clusters: [{{name: c, cluster: {{server: 'http://127.0.0.1:{running.port}'}}}}]\n"
            "users: [{name: u, user: {}}]\n"
            "contexts: [{name: gate, context: {cluster: c, user: u}}]\n"
        )
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
        yield running


@pytest.fixture
def gated(task: MakeTask, gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeTask:
    """Makes tasks whose cluster stands behind the gate."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    return task


def test_events_that_may_not_be_read_do_not_change_the_outcome(gate: Gate, gated: MakeTask) -> None:
    gate.refuse = lambda request: status(403, "Forbidden") if "/events" in request.path else None
    gated("echo fine").run()
    failing = gated("exit 3")
    with pytest.raises(PodFailed, match="exit code 3") as failure:
        failing.run()
    assert failure.value.diagnosis is not None
    assert failure.value.diagnosis.cause is Cause.FAILED
    assert "fine" in failing.log.lines
    assert any("events cannot be read" in line for line in failing.log.lines)


def test_a_log_that_may_not_be_read_does_not_change_the_outcome(
    gate: Gate, gated: MakeTask
) -> None:
    gate.refuse = lambda request: (
        status(403, "Forbidden") if request.path.endswith("/log") else None
    )
    silent = gated("echo unheard")
    silent.run()
    assert any("The log of container 'base' cannot be read" in line for line in silent.log.lines)


def test_a_pod_that_may_not_be_watched_is_not_left_behind(gate: Gate, gated: MakeTask) -> None:
    gate.refuse = lambda request: (
        status(403, "Forbidden")
        if request.method == "GET" and request.path.endswith("/pods")
        else None
    )
    blind = gated("sleep 60")
    with pytest.raises(PodNotObserved, match="cannot be watched"):
        blind.run()
    assert blind.pods() == []


def test_a_busy_server_is_waited_for(gate: Gate, gated: MakeTask) -> None:
    refusals = iter([status(429, "TooManyRequests", **{"Retry-After": "1"}), status(503, "Busy")])
    gate.refuse = lambda request: next(refusals, None) if request.method == "POST" else None
    patient = gated("echo through")
    patient.run()
    assert "through" in patient.log.lines
    assert len([line for line in patient.log.lines if "not created yet" in line]) == 2


def test_a_log_that_the_server_never_ends_is_told_to_its_end(gate: Gate, gated: MakeTask) -> None:
    """As kubelets do after a rotation: the container has ended, its log's connection stays open."""
    gate.hold_logs_open = True
    stuck = gated("echo all; sleep 0.5; echo of it")
    stuck.run()
    assert [line for line in stuck.log.lines if line in ("all", "of it")] == ["all", "of it"]
