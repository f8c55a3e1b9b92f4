"""A task that goes on while its connections to the cluster break again and again."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from .conftest import Api, Task

pytestmark = pytest.mark.functional


class CuttingProxy:
    """Passes bytes to the API server and cuts every connection when it is so many seconds old."""

    def __init__(self, host: str, port: int, life: float) -> None:
        self._target = (host, port)
        self._life = life
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self.port = 0
        self.cuts = 0

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

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, requests = await asyncio.open_connection(*self._target)
        ways = {
            asyncio.ensure_future(_pass(reader, requests)),
            asyncio.ensure_future(_pass(answers, writer)),
        }
        try:
            ended, _ = await asyncio.wait(
                ways, timeout=self._life, return_when=asyncio.FIRST_COMPLETED
            )
            self.cuts += not ended
        finally:
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
def proxy(cluster: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CuttingProxy]:
    address = urlsplit(cluster.url)
    assert address.hostname is not None
    with CuttingProxy(address.hostname, address.port or 443, life=0.4) as running:
        config = yaml.safe_load(cluster.kubeconfig.read_text())
        for entry in config["clusters"]:
            entry["cluster"]["server"] = f"https://127.0.0.1:{running.port}"
            entry["cluster"]["tls-server-name"] = address.hostname
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_text(yaml.safe_dump(config))
        kubeconfig.chmod(0o600)
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
        yield running


def test_no_line_of_the_log_is_lost_or_repeated(
    task: Callable[..., Task], proxy: CuttingProxy
) -> None:
    burst = "for i in $(seq 0 99); do echo line $burst-$i; done; sleep 0.1"
    script = f"for burst in $(seq 0 29); do {burst}; done; echo last"
    long = task(script, startup_timeout_seconds=60)
    long.run()
    assert proxy.cuts > 3
    lines = [line for line in long.log.lines if line.startswith("line ")]
    assert lines == [f"line {burst}-{i}" for burst in range(30) for i in range(100)]
    assert long.log.lines.count("last") == 1
