"""The log follower and an API server that fails it in every way."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from aiohttp import web

from podlift.kube import Client, load_connection
from podlift.kube.pacing import Backoff
from podlift.runs import following
from podlift.runs.following import LogFollower, tail_of
from podlift.runs.positions import Place

pytestmark = pytest.mark.functional

BEGIN = datetime.fromisoformat("2026-11-22T12:00:00Z")
TOKEN = "good"


class Node:
    """A container's log, and a server that gives it away as a node does.

    ``cuts`` are the numbers of bytes after which the next followed connections break; ``hangs``
    counts those that say nothing; ``refusals`` are answers that come instead of logs.
    """

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.rotated_away = 0
        self.earlier_run: list[bytes] = []
        self.cuts: list[int] = []
        self.hangs = 0
        self.refusals: list[int] = []
        self.excuse = b""
        self.token = TOKEN
        self.ended = False
        self.runs = 0
        self._written = asyncio.Event()
        self._came = asyncio.Semaphore(0)

    def write(self, *lines: str, every: float = 0.01, later: float = 0) -> None:
        """The container writes these lines, ``every`` so many seconds of its clock one.

        ``later`` are the seconds from the first run's beginning to this one's.
        """
        for line in lines:
            stamp = BEGIN + timedelta(seconds=later + len(self.lines) * every)
            self.lines.append(f"{stamp:%Y-%m-%dT%H:%M:%S.%f}000Z {line}\n".encode())
        self._written.set()

    def restart(self, *last: str) -> None:
        """The container writes its last lines and runs anew, with a new log."""
        self.write(*last)
        self.earlier_run, self.lines = self.lines, []
        self.runs += 1
        self._written.set()

    def end(self) -> None:
        self.ended = True
        self._written.set()

    async def came(self, requests: int) -> None:
        """Wait for so many requests."""
        async with asyncio.timeout(20):
            for _ in range(requests):
                await self._came.acquire()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self._came.release()
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return _status(401)
        if self.refusals:
            return _status(self.refusals.pop(0))
        if self.excuse:
            return web.Response(body=self.excuse)
        since = request.query.get("sinceTime", "")
        if "previous" in request.query:
            return web.Response(body=b"".join(_since(self.earlier_run, since)))
        if "follow" not in request.query:
            return web.Response(body=b"".join(_since(self.lines[self.rotated_away :], since)))
        return await self._follow(request, since)

    async def _follow(self, request: web.Request, since: str) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        if self.hangs:
            self.hangs -= 1
            await asyncio.Event().wait()
        left = self.cuts.pop(0) if self.cuts else None
        at, run = self.rotated_away, self.runs
        while True:
            if run != self.runs:
                return response
            answer = b"".join(_since(self.lines[at:], since))
            at = len(self.lines)
            await response.write(answer[:left])
            left = None if left is None else left - len(answer)
            if left is not None and left <= 0:
                assert request.transport is not None
                request.transport.abort()
                return response
            if self.ended and at == len(self.lines):
                return response
            self._written.clear()
            await self._written.wait()


def _since(lines: list[bytes], moment: str) -> Iterator[bytes]:
    return (line for line in lines if line[:19].decode() >= moment[:19])


def _status(code: int) -> web.Response:
    body = {"kind": "Status", "code": code, "reason": "", "message": f"no: {code}"}
    return web.json_response(body, status=code)


class Heard:
    """Everything that a follower tells."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.warnings: list[str] = []
        self._news = asyncio.Event()

    def line(self, text: str, moment: datetime | None) -> None:
        self.lines.append(text)
        self._news.set()

    def warning(self, sentence: str) -> None:
        self.warnings.append(sentence)
        self._news.set()

    async def until(self, lines: int = 0, warnings: int = 0) -> None:
        async with asyncio.timeout(20):
            while len(self.lines) < lines or len(self.warnings) < warnings:
                self._news.clear()
                await self._news.wait()


@pytest.fixture
async def node() -> Node:
    return Node()


@pytest.fixture
def heard(node: Node) -> Heard:
    return Heard()


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Path:
    return tmp_path / "kubeconfig"


@pytest.fixture
async def client(node: Node, kubeconfig: Path) -> AsyncIterator[Client]:
    async def answer(request: Any) -> web.StreamResponse:
        return await node.answer(request)

    runner = web.ServerRunner(
        web.Server(answer, handler_cancellation=True, access_log=None), shutdown_timeout=0.1
    )
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    _log_in(kubeconfig, f"http://127.0.0.1:{runner.addresses[0][1]}", TOKEN)
    async with Client(await load_connection(kubeconfig)) as made:
        yield made
    await runner.cleanup()


def _log_in(kubeconfig: Path, server: str, token: str) -> None:
    config = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {"token": token}}],
    }
    kubeconfig.write_text(yaml.safe_dump(config))


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same waits, but shorter."""
    monkeypatch.setattr(following, "_STATE_LAG", 0.01)
    monkeypatch.setattr(following, "_NEWS_LAG", 0.3)
    monkeypatch.setattr(following, "_SILENCE", 0.3)
    monkeypatch.setattr(following, "_SILENCE_AFTER_END", 0.2)
    monkeypatch.setattr(following, "Backoff", lambda chance: Backoff(chance, first=0.01, most=0.05))


@asynccontextmanager
async def followed(
    client: Client, heard: Heard, place: Place | None = None, restarts: list[int] | None = None
) -> AsyncIterator[tuple[LogFollower, asyncio.Task[None]]]:
    """A follower at work."""
    counted = restarts or [0]
    follower = LogFollower(
        client,
        "pod",
        "default",
        "base",
        heard.line,
        heard.warning,
        place=place,
        restarts=lambda: counted[-1],
    )
    task = asyncio.create_task(follower.follow())
    try:
        yield follower, task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def to_the_end(node: Node, follower: LogFollower, task: asyncio.Task[None]) -> None:
    node.end()
    follower.end()
    await asyncio.wait_for(task, 20)


def numbers(first: int, last: int) -> list[str]:
    return [f"line {number}" for number in range(first, last)]


@pytest.mark.parametrize("seed", range(5))
async def test_connections_that_break_at_any_byte(
    client: Client, node: Node, heard: Heard, seed: int
) -> None:
    chance = random.Random(seed)
    node.cuts = [chance.randrange(5000) for _ in range(10)]
    node.write(*numbers(0, 50))
    async with followed(client, heard) as (follower, task):
        for burst in range(1, 10):
            node.write(*numbers(burst * 50, burst * 50 + 50))
            await asyncio.sleep(0.01)
        await heard.until(500)
        await to_the_end(node, follower, task)
    assert heard.lines == numbers(0, 500)
    assert heard.warnings == []


async def test_another_process_goes_on_where_one_was_killed(
    client: Client, node: Node, heard: Heard
) -> None:
    place = Place()
    node.write(*numbers(0, 2000))
    async with followed(client, heard, place):
        await heard.until(500)
    assert len(heard.lines) < 2000
    saved = msgspec.json.encode(place)
    node.write(*numbers(2000, 3000))
    async with followed(client, heard, msgspec.json.decode(saved, type=Place)) as (follower, task):
        await to_the_end(node, follower, task)
    assert heard.lines == numbers(0, 3000)


async def test_a_follow_that_hangs_is_noticed(client: Client, node: Node, heard: Heard) -> None:
    node.cuts, node.hangs = [200], 1
    node.write(*numbers(0, 100))
    async with followed(client, heard) as (follower, task):
        await heard.until(100)
        await to_the_end(node, follower, task)
    assert heard.lines == numbers(0, 100)


async def test_silence_is_no_reason_to_repeat_anything(
    client: Client, node: Node, heard: Heard
) -> None:
    node.write(*numbers(0, 10))
    async with followed(client, heard) as (follower, task):
        await heard.until(10)
        await node.came(3)
        node.write("late", every=60)
        await heard.until(11)
        await to_the_end(node, follower, task)
    assert heard.lines == [*numbers(0, 10), "late"]
    assert heard.warnings == []


async def test_lines_that_were_rotated_away_are_said_to_be_missing(
    client: Client, node: Node, heard: Heard
) -> None:
    node.cuts = [500]
    node.write(*numbers(0, 100), every=1)
    async with followed(client, heard) as (follower, task):
        await heard.until(1)
        node.rotated_away = 60
        await to_the_end(node, follower, task)
    assert heard.lines[-40:] == numbers(60, 100)
    assert len(set(heard.lines)) == len(heard.lines) < 100
    assert len(heard.warnings) == 1
    assert "The log was rotated" in heard.warnings[0]
    assert "'base' may be missing" in heard.warnings[0]


async def test_the_log_before_a_restart_is_read_to_its_end(
    client: Client, node: Node, heard: Heard
) -> None:
    node.cuts, restarts = [300], [0]
    node.write(*numbers(0, 100))
    async with followed(client, heard, restarts=restarts) as (follower, task):
        await heard.until(1)
        node.earlier_run, node.lines = node.lines, []
        node.write("another run", later=1000)
        restarts.append(1)
        await heard.until(101)
        await to_the_end(node, follower, task)
    assert heard.lines == [*numbers(0, 100), "another run"]
    assert heard.warnings == []


async def test_a_restart_may_be_told_later_than_its_log(
    client: Client, node: Node, heard: Heard
) -> None:
    restarts = [0]
    node.write(*numbers(0, 3))
    async with followed(client, heard, restarts=restarts) as (follower, task):
        await heard.until(3)
        node.restart("the last of this run")
        node.write("another run", later=1000)
        await node.came(2)
        await asyncio.sleep(0.05)
        restarts.append(1)
        await heard.until(5)
        await to_the_end(node, follower, task)
    assert heard.lines == [*numbers(0, 3), "the last of this run", "another run"]
    assert heard.warnings == []


async def test_a_new_run_that_was_told_before_the_news_is_not_told_again(
    client: Client, node: Node, heard: Heard
) -> None:
    node.cuts, restarts = [20], [0]
    node.write("another run", "goes on")
    async with followed(client, heard, restarts=restarts) as (follower, task):
        await heard.until(2)
        restarts.append(1)  # and the run before had written nothing
        await to_the_end(node, follower, task)
    assert heard.lines == ["another run", "goes on"]
    assert heard.warnings == []


async def test_a_restart_right_before_the_end_costs_no_line(
    client: Client, node: Node, heard: Heard
) -> None:
    restarts = [0]
    node.write(*numbers(0, 3))
    async with followed(client, heard, restarts=restarts) as (follower, task):
        await heard.until(3)
        node.restart("the last of this run")
        node.write("another run", later=1000)
        restarts.append(1)
        await to_the_end(node, follower, task)
    assert heard.lines == [*numbers(0, 3), "the last of this run", "another run"]
    assert heard.warnings == []


async def test_credentials_that_expire_are_renewed(
    client: Client, node: Node, heard: Heard, kubeconfig: Path
) -> None:
    node.write(*numbers(0, 10))
    node.cuts = [700]
    async with followed(client, heard) as (follower, task):
        await heard.until(10)
        node.token = "new"
        node.write(*numbers(10, 30))  # the connection breaks in the middle of it
        await heard.until(warnings=1)
        _log_in(kubeconfig, client.transport.connection.server, "new")
        await heard.until(30)
        await to_the_end(node, follower, task)
    assert heard.lines == numbers(0, 30)
    assert len(heard.warnings) == 1
    assert "log in again" in heard.warnings[0]
    assert "Trying again." in heard.warnings[0]


@pytest.mark.parametrize("code", [429, 500, 503, 400])
async def test_a_server_that_is_busy_is_waited_for(
    client: Client, node: Node, heard: Heard, code: int
) -> None:
    node.refusals = [code] * 4
    node.write(*numbers(0, 10))
    async with followed(client, heard) as (follower, task):
        await heard.until(10)
        node.refusals = [code] * 4
        await to_the_end(node, follower, task)
    assert heard.lines == numbers(0, 10)
    assert heard.warnings == []


async def test_a_missing_right_is_said_once(client: Client, node: Node, heard: Heard) -> None:
    node.refusals = [403] * 100
    async with followed(client, heard) as (_, task):
        await asyncio.wait_for(task, 20)
    assert len(heard.warnings) == 1
    assert "The log of container 'base' cannot be read: no: 403" in heard.warnings[0]


async def test_a_pod_that_is_gone_before_its_log_was_read(
    client: Client, node: Node, heard: Heard
) -> None:
    node.write(*numbers(0, 100))
    node.cuts = [300]
    async with followed(client, heard) as (_, task):
        await heard.until(1)
        node.refusals = [404] * 100
        await asyncio.wait_for(task, 20)
    assert len(heard.warnings) == 1
    assert "The pod was gone before the end of its log was read" in heard.warnings[0]


async def test_a_node_that_no_longer_has_the_log(client: Client, node: Node, heard: Heard) -> None:
    node.write(*numbers(0, 10))
    node.cuts = [390]
    async with followed(client, heard) as (follower, task):
        await heard.until(10)
        node.excuse = b"unable to retrieve container logs for containerd://1"
        node.write(*numbers(10, 20))  # the connection breaks in the middle of it
        await node.came(2)
        await to_the_end(node, follower, task)
    assert heard.lines == numbers(0, 10)
    assert len(heard.warnings) == 1
    assert "unable to retrieve container logs" in heard.warnings[0]


async def test_a_node_that_is_lost_does_not_hold_the_task(
    client: Client, node: Node, heard: Heard
) -> None:
    node.write(*numbers(0, 10))
    async with followed(client, heard) as (follower, task):
        await heard.until(10)
        node.refusals = [500] * 100
        await to_the_end(node, follower, task)
    assert heard.lines == numbers(0, 10)
    assert "The end of the log could not be read: no: 500" in heard.warnings[0]


async def test_the_tail_is_cut_into_lines_as_the_log_is(
    client: Client, node: Node, heard: Heard
) -> None:
    node.lines = [b"1%\r2%\r\n", "a\u2028b\n".encode(), b"last\n"]
    assert await tail_of(client, "pod", "default", "base", 50) == ["1%\r2%", "a\u2028b", "last"]
