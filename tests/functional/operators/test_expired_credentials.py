"""A task whose credentials expire while its pod runs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from aiohttp import web
from tests.functional.conftest import Cluster

from .conftest import Task

pytestmark = pytest.mark.functional

FILE = "/airflow/xcom/return.json"


class Guard:
    """Stands before the API server and lets in who has today's token."""

    def __init__(self, cluster: Cluster, kubeconfig: Path) -> None:
        self._cluster = cluster
        self._kubeconfig = kubeconfig
        self._token = ""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._open: set[asyncio.Transport] = set()
        self.refused = 0

    def __enter__(self) -> Guard:
        self._thread.start()
        self._url = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result()
        self.expire("first")
        self.log_in()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def expire(self, token: str) -> None:
        """From now on only this token is good; connections that are open break."""
        self._token = token
        for transport in list(self._open):
            self._loop.call_soon_threadsafe(transport.abort)

    def log_in(self) -> None:
        """Write a kubeconfig with the token that is good now."""
        config = {
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {"server": self._url}}],
            "users": [{"name": "u", "user": {"token": self._token}}],
        }
        self._kubeconfig.write_text(yaml.safe_dump(config))

    async def _start(self) -> str:
        self._session = aiohttp.ClientSession()
        self._runner = web.ServerRunner(
            web.Server(self._answer, handler_cancellation=True, access_log=None),
            shutdown_timeout=0.1,
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _stop(self) -> None:
        await self._runner.cleanup()
        await self._session.close()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {self._token}":
            self.refused += 1
            body = {"kind": "Status", "code": 401, "reason": "Unauthorized", "message": "no"}
            return web.json_response(body, status=401)
        assert request.transport is not None
        self._open.add(request.transport)
        response = web.StreamResponse()
        try:
            with suppress(ConnectionError, aiohttp.ClientError):
                await self._pass_on(request, response)
        finally:
            self._open.discard(request.transport)
        return response

    async def _pass_on(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        headers = {"Content-Type": request.headers.get("Content-Type", "application/json")}
        if self._cluster.token:
            headers["Authorization"] = f"Bearer {self._cluster.token}"
        async with self._session.request(
            request.method,
            self._cluster.url + request.raw_path,
            data=await request.read(),
            headers=headers,
            ssl=self._cluster.tls(),
            timeout=aiohttp.ClientTimeout(total=None),
        ) as answer:
            response.set_status(answer.status)
            response.content_type = answer.content_type
            await response.prepare(request)
            async for piece in answer.content.iter_any():
                await response.write(piece)
            await response.write_eof()


@pytest.fixture
def guard(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Guard]:
    kubeconfig = tmp_path / "kubeconfig"
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    with Guard(cluster, kubeconfig) as standing:
        yield standing


@pytest.mark.parametrize("logged_in_late", [False, True])
def test_the_task_goes_on_with_new_ones(
    task: Callable[..., Task], guard: Guard, logged_in_late: Any
) -> None:
    script = "for i in $(seq 1 40); do echo line $i; sleep 0.1; done"
    long = task(f"{script}; echo 7 > {FILE}", do_xcom_push=True)
    outcome = long.start()
    long.log.wait_for("line 5")
    guard.expire("second")
    if logged_in_late:
        long.log.wait_for("log in again")
    guard.log_in()
    assert outcome.result(timeout=60) == 7
    lines = [line for line in long.log.lines if line.startswith("line ")]
    assert lines == [f"line {i}" for i in range(1, 41)]
    assert guard.refused > 0
    assert long.pods() == []
