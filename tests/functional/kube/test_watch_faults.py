"""The watch tells the truth through everything that networks and servers do to it."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from podlift.kube import PODS, Client, Forbidden, KubeError, watch
from podlift.kube.pacing import Timing
from podlift.pods.reading import Pod

if TYPE_CHECKING:
    from tests.functional.kube.conftest import Connect, Serve

pytestmark = pytest.mark.functional

Item = dict[str, Any]
Play = Callable[["Stream"], Awaitable[None]]


def pod(name: str, version: int, uid: str = "1") -> Item:
    metadata = {"name": name, "namespace": "ns", "uid": uid, "resourceVersion": str(version)}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}


def refusal(code: int, reason: str = "", message: str = "no") -> Item:
    return {
        "kind": "Status",
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": message,
    }


class Stream:
    """One connection of a watcher, in the hands of a test."""

    def __init__(self, request: web.Request) -> None:
        self.request = request
        self.version = request.query["resourceVersion"]
        self._response = web.StreamResponse()

    async def open(self) -> None:
        await self._response.prepare(self.request)

    async def send(self, kind: str, item: Item, end: str = "\n") -> None:
        await self._response.write((json.dumps({"type": kind, "object": item}) + end).encode())

    async def send_raw(self, data: bytes) -> None:
        await self._response.write(data)

    def cut(self) -> None:
        """The line goes dead in the middle of the answer."""
        assert self.request.transport is not None
        self.request.transport.abort()

    async def stay(self) -> None:
        """Says nothing and does not hang up."""
        await asyncio.Event().wait()


class ApiServer:
    """Lists what it is told, and plays one connection after another; the last one stays open."""

    def __init__(self, *plays: Play | web.Response) -> None:
        self.lists: deque[list[Item] | web.Response] = deque()
        self.plays = deque(plays)
        self.asked: list[str] = []
        self.page_sizes: set[str] = set()

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        if "watch" not in request.query:
            self.asked.append("list")
            self.page_sizes.add(request.query["limit"])
            listed = self.lists.popleft() if len(self.lists) > 1 else self.lists[0]
            if isinstance(listed, web.Response):
                return listed
            metadata = {"resourceVersion": str(100 + self.asked.count("list"))}
            return web.json_response({"metadata": metadata, "items": listed})
        self.asked.append(f"watch {request.query['resourceVersion']}")
        play = self.plays.popleft() if self.plays else Stream.stay
        if isinstance(play, web.Response):
            return play
        stream = Stream(request)
        await stream.open()
        await play(stream)
        return stream._response


class Ear:
    """A listener, with the naps that the watch took and the troubles that it told."""

    def __init__(self, client: Client, **options: Any) -> None:
        self.naps: list[float] = []
        self.troubles: list[KubeError] = []
        self.events = watch(
            client,
            PODS,
            "ns",
            timing=Timing(sleep=self._nap, chance=lambda: 1.0),
            on_trouble=lambda error, _: self.troubles.append(error),
            **options,
        )

    async def _nap(self, seconds: float) -> None:
        self.naps.append(seconds)
        await asyncio.sleep(0)

    async def hear(self, count: int) -> list[str]:
        heard: list[str] = []
        async with asyncio.timeout(10):
            while len(heard) < count:
                event = await anext(self.events)
                name = event.object["metadata"]["name"] if event.object else ""
                heard.append(f"{event.kind} {name}".strip())
        return heard


@pytest.fixture
async def listen(serve: Serve, connect: Connect) -> AsyncIterator[Callable[..., Awaitable[Ear]]]:
    ears: list[Ear] = []

    async def start(server: ApiServer, **options: Any) -> Ear:
        ears.append(Ear(await connect(await serve(server)), **options))
        return ears[-1]

    yield start
    for ear in ears:
        await ear.events.aclose()


Listen = Callable[..., Awaitable[Ear]]


async def test_what_is_there_then_synced_then_changes(listen: Listen) -> None:
    async def play(stream: Stream) -> None:
        await stream.send("ADDED", pod("b", 102))
        await stream.send("MODIFIED", pod("a", 103))
        await stream.send("DELETED", pod("b", 104))
        await stream.stay()

    server = ApiServer(play)
    server.lists.append([pod("a", 1)])
    ear = await listen(server)
    assert await ear.hear(5) == ["ADDED a", "SYNCED", "ADDED b", "MODIFIED a", "DELETED b"]
    assert server.asked == ["list", "watch 101"]


async def test_a_cut_connection_goes_on_where_it_was(listen: Listen) -> None:
    async def broken(stream: Stream) -> None:
        await stream.send("ADDED", pod("a", 102))
        await stream.send_raw(b'{"type":"ADDED","object":{"metad')
        await asyncio.sleep(0.05)
        stream.cut()

    async def next_one(stream: Stream) -> None:
        await stream.send("ADDED", pod("b", 103))
        await stream.stay()

    server = ApiServer(broken, next_one)
    server.lists.append([])
    ear = await listen(server)
    assert await ear.hear(3) == ["SYNCED", "ADDED a", "ADDED b"]
    assert server.asked == ["list", "watch 101", "watch 102"]
    assert [type(error).__name__ for error in ear.troubles] == ["ConnectionFailed"]


async def test_bookmarks_move_the_place_to_go_on_from(listen: Listen) -> None:
    async def quiet(stream: Stream) -> None:
        await stream.send("BOOKMARK", {"kind": "Pod", "metadata": {"resourceVersion": "500"}})

    async def next_one(stream: Stream) -> None:
        await stream.send("ADDED", pod("a", 501))
        await stream.stay()

    server = ApiServer(quiet, next_one)
    server.lists.append([])
    ear = await listen(server)
    assert await ear.hear(2) == ["SYNCED", "ADDED a"]
    assert server.asked == ["list", "watch 101", "watch 500"]
    assert ear.naps == [], "a connection that the server ended after saying something is no trouble"


GONE_LATE = refusal(410, "Expired", "too old resource version: 1 (13333)")


async def gone_as_event(stream: Stream) -> None:
    await stream.send("ERROR", GONE_LATE)


async def gone_without_newline(stream: Stream) -> None:
    await stream.send("ERROR", GONE_LATE, end="")


@pytest.mark.parametrize(
    "gone",
    [gone_as_event, gone_without_newline, web.json_response(GONE_LATE, status=410)],
    ids=["event", "event without a newline", "status"],
)
async def test_after_an_expired_version_what_vanished_is_told(listen: Listen, gone: Any) -> None:
    server = ApiServer(gone)
    server.lists += [[pod("a", 1), pod("b", 2), pod("c", 3)], [pod("a", 1), pod("b", 9, uid="2")]]
    ear = await listen(server)
    assert await ear.hear(4) == ["ADDED a", "ADDED b", "ADDED c", "SYNCED"]
    assert await ear.hear(4) == ["DELETED b", "ADDED b", "DELETED c", "SYNCED"]
    assert server.asked[:3] == ["list", "watch 101", "list"]
    assert len(ear.naps) == 1


async def test_a_silent_connection_is_given_up(listen: Listen) -> None:
    async def silent(stream: Stream) -> None:
        await stream.send("ADDED", pod("a", 102))
        await stream.stay()

    async def next_one(stream: Stream) -> None:
        await stream.send("DELETED", pod("a", 103))
        await stream.stay()

    server = ApiServer(silent, next_one)
    server.lists.append([])
    ear = await listen(server, silence=0.2)
    assert await ear.hear(3) == ["SYNCED", "ADDED a", "DELETED a"]
    assert "took too long" in str(ear.troubles[0])


async def test_a_version_that_stays_silent_is_given_up_for_a_list(listen: Listen) -> None:
    server = ApiServer()
    server.lists += [[pod("a", 1)], []]
    ear = await listen(server, silence=0.05)
    assert await ear.hear(2) == ["ADDED a", "SYNCED"]
    assert await ear.hear(2) == ["DELETED a", "SYNCED"]
    assert server.asked[:5] == ["list", "watch 101", "watch 101", "watch 101", "list"]


async def test_a_busy_server_is_left_alone_for_as_long_as_it_asks(listen: Listen) -> None:
    async def better(stream: Stream) -> None:
        await stream.send("ADDED", pod("a", 102))
        await stream.stay()

    busy = web.json_response(refusal(429), status=429, headers={"Retry-After": "7"})
    server = ApiServer(busy, web.json_response(refusal(503), status=503), better)
    server.lists.append([])
    ear = await listen(server)
    assert await ear.hear(2) == ["SYNCED", "ADDED a"]
    assert ear.naps == [7.5, 1.0]
    assert server.asked == ["list", "watch 101", "watch 101", "watch 101"]


async def test_a_server_that_hangs_up_at_once_is_not_asked_in_a_hurry(listen: Listen) -> None:
    async def hang_up(stream: Stream) -> None:
        pass

    server = ApiServer(*[hang_up] * 6)
    server.lists.append([])
    ear = await listen(server)
    assert await ear.hear(3) == ["SYNCED"] * 3
    assert ear.naps == [0.5, 1, 2, 4, 8, 16]


async def test_a_first_list_that_can_never_work_is_an_error(listen: Listen) -> None:
    server = ApiServer()
    server.lists.append(web.json_response(refusal(403, "Forbidden"), status=403))
    ear = await listen(server)
    with pytest.raises(Forbidden):
        await ear.hear(1)


async def test_a_first_list_from_a_busy_server_waits(listen: Listen) -> None:
    server = ApiServer()
    server.lists += [web.json_response(refusal(500), status=500), [pod("a", 1)]]
    ear = await listen(server)
    assert await ear.hear(2) == ["ADDED a", "SYNCED"]
    assert ear.naps == [0.5]


async def test_once_synced_it_outlives_what_can_never_work(listen: Listen) -> None:
    async def gone(stream: Stream) -> None:
        await stream.send("ERROR", GONE_LATE)

    server = ApiServer(gone)
    server.lists += [
        [pod("a", 1)],
        web.json_response(refusal(403, "Forbidden"), status=403),
        web.Response(text="<html>maintenance</html>"),
        [],
    ]
    ear = await listen(server)
    assert await ear.hear(4) == ["ADDED a", "SYNCED", "DELETED a", "SYNCED"]
    names = [type(error).__name__ for error in ear.troubles]
    assert names == ["Gone", "Forbidden", "UnexpectedAnswer"]


async def test_events_longer_than_any_buffer_arrive_whole(listen: Listen) -> None:
    big = pod("a", 102)
    big["metadata"]["annotations"] = {"x": "y" * 3_000_000}

    async def play(stream: Stream) -> None:
        await stream.send("ADDED", big)
        await stream.stay()

    server = ApiServer(play)
    server.lists.append([])
    ear = await listen(server)
    assert await ear.hear(2) == ["SYNCED", "ADDED a"]


async def test_leaving_the_loop_hangs_up(serve: Serve, connect: Connect) -> None:
    hung_up = asyncio.Event()

    async def play(stream: Stream) -> None:
        try:
            while True:
                await stream.send("MODIFIED", pod("a", 102))
                await asyncio.sleep(0.01)
        finally:
            hung_up.set()

    server = ApiServer(play)
    server.lists.append([])
    client = await connect(await serve(server))
    async with aclosing(watch(client, PODS, "ns", type=Pod)) as events:
        async for event in events:
            if event.object is not None:
                assert event.object.metadata.name == "a"
                break
    async with asyncio.timeout(5):
        await hung_up.wait()


async def test_a_list_of_thousands_leaves_the_loop_to_others_in_between(listen: Listen) -> None:
    count = 2000
    server = ApiServer()
    server.lists.append([pod(f"p{number}", number + 1) for number in range(count)])
    ear = await listen(server)
    turns, told = 0, 0

    async def other() -> None:
        nonlocal turns
        while True:
            if 0 < told < count:
                turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    while told < count:
        assert (await anext(ear.events)).kind == "ADDED"
        told += 1
    task.cancel()
    assert turns >= count // 100


async def test_lists_are_asked_for_in_pages_that_are_decoded_in_a_moment(listen: Listen) -> None:
    server = ApiServer()
    server.lists.append([pod("a", 1)])
    ear = await listen(server)
    await anext(ear.events)
    assert server.page_sizes == {"100"}
