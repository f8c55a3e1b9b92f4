"""A task that goes on while its connections to the cluster break again and again."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from .conftest import Api, Task

pytestmark = pytest.mark.functional

FILE = "/airflow/xcom/return.json"


class CuttingProxy:
    """Passes bytes to the API server and cuts every connection when it is so many seconds old.

    While it is ``away`` it cuts all there are, and every new one at once.
    """

    def __init__(self, host: str, port: int, life: float | None) -> None:
        self._target = (host, port)
        self._life = life
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._open: set[asyncio.Task[None]] = set()
        self.port = 0
        self.cuts = 0
        self.away = False

    def __enter__(self) -> CuttingProxy:
        self._thread.start()
        self.port = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _listen(self) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def _close(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for other in others:
            other.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def leave(self) -> None:
        """Cut every connection; none is served until ``away`` is False again."""
        self.away = True
        for ways in list(self._open):
            self._loop.call_soon_threadsafe(ways.cancel)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.away:
            writer.transport.abort()
            return
        answers, requests = await asyncio.open_connection(*self._target)
        ways = {
            asyncio.ensure_future(_pass(reader, requests)),
            asyncio.ensure_future(_pass(answers, writer)),
        }
        self._open |= ways
        try:
            ended, _ = await asyncio.wait(
                ways, timeout=self._life, return_when=asyncio.FIRST_COMPLETED
            )
            self.cuts += not ended
        finally:
            self._open -= ways
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for end in (writer, requests):
                end.transport.abort()
            closing = (end.wait_closed() for end in (writer, requests))
            await asyncio.gather(*closing, return_exceptions=True)


async def _pass(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while data := await source.read(4096):
        target.write(data)
        await target.drain()


@pytest.fixture
def proxied(
    cluster: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., CuttingProxy]]:
    """Puts a proxy before the cluster."""
    address = urlsplit(cluster.url)
    assert address.hostname is not None
    with ExitStack() as stack:

        def put(life: float | None) -> CuttingProxy:
            proxy = CuttingProxy(str(address.hostname), address.port or 443, life)
            running = stack.enter_context(proxy)
            config = yaml.safe_load(cluster.kubeconfig.read_text())
            for entry in config["clusters"]:
                entry["cluster"]["server"] = f"https://127.0.0.1:{running.port}"
                entry["cluster"]["tls-server-name"] = address.hostname
            kubeconfig = tmp_path / "kubeconfig"
            kubeconfig.write_text(yaml.safe_dump(config))
            kubeconfig.chmod(0o600)
            monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
            return running

        yield put


def test_no_line_of_the_log_is_lost_or_repeated(
    task: Callable[..., Task], proxied: Callable[..., CuttingProxy]
) -> None:
    burst = "for i in $(seq 0 99); do echo line $burst-$i; done; sleep 0.1"
    script = f"for burst in $(seq 0 29); do {burst}; done; echo last"
    long = task(script, startup_timeout_seconds=60)
    proxy = proxied(life=0.4)
    long.run()
    assert proxy.cuts > 3
    lines = [line for line in long.log.lines if line.startswith("line ")]
    assert lines == [f"line {burst}-{i}" for burst in range(30) for i in range(100)]
    assert long.log.lines.count("last") == 1


def test_an_api_server_that_is_away_for_a_while_is_waited_for(
    task: Callable[..., Task], proxied: Callable[..., CuttingProxy]
) -> None:
    away = float(os.environ.get("SECONDS_AWAY", "3"))
    script = (
        f"for i in $(seq 1 {10 * away + 20:.0f}); do echo line $i; sleep 0.1; done; echo 7 > {FILE}"
    )
    long = task(script, do_xcom_push=True)
    proxy = proxied(life=None)
    outcome = long.start()
    long.log.wait_for("line 5")
    proxy.leave()
    time.sleep(away)
    proxy.away = False
    assert outcome.result(timeout=120 + 2 * away) == 7
    lines = [line for line in long.log.lines if line.startswith("line ")]
    assert lines == [f"line {i}" for i in range(1, int(10 * away) + 21)]
    assert "may be missing" not in long.log.text


def test_a_pod_that_ends_while_the_api_server_is_away(
    task: Callable[..., Task], proxied: Callable[..., CuttingProxy]
) -> None:
    short = task(f"echo ready; sleep 1; echo last; echo 7 > {FILE}; sleep 1", do_xcom_push=True)
    proxy = proxied(life=None)
    outcome = short.start()
    short.log.wait_for("ready")
    proxy.leave()
    time.sleep(3)
    proxy.away = False
    assert outcome.result(timeout=120) == 7
    assert short.log.lines.count("last") == 1
    assert short.pods() == []
