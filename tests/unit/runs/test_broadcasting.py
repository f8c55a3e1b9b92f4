"""One watch that several listeners hear."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack

import pytest

from podlift.kube import Forbidden, WatchEvent
from podlift.pods.reading import ObjectMeta, Pod
from podlift.runs.broadcasting import Broadcast, News

SYNCED: WatchEvent[Pod] = WatchEvent("SYNCED")


def pod(uid: str, of: str, version: str = "1") -> Pod:
    return Pod(metadata=ObjectMeta(uid=uid, labels={"of": of}, resource_version=version))


class Server:
    """Tells what the test says, and counts how often somebody listens to it."""

    def __init__(self) -> None:
        self.opened = self.closed = 0
        self.told: asyncio.Queue[WatchEvent[Pod] | Exception] = asyncio.Queue()
        self.broadcast = Broadcast(self.watch, lambda each: each.metadata.labels["of"])

    async def watch(self) -> AsyncGenerator[WatchEvent[Pod], None]:
        self.opened += 1
        try:
            while True:
                each = await self.told.get()
                if isinstance(each, Exception):
                    raise each
                yield each
        finally:
            self.closed += 1

    async def tells(self, *news: WatchEvent[Pod] | Exception) -> None:
        for each in news:
            self.told.put_nowait(each)
        for _ in range(10 * len(news)):  # turns in which the watch takes them
            await asyncio.sleep(0)


async def heard(news: News[Pod], number: int) -> list[tuple[str, str]]:
    """That many pieces of news, in short; there must be no more."""
    found = [await asyncio.wait_for(anext(news), 5) for _ in range(number)]
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(news), 0)
    return [(each.kind, each.object.metadata.uid if each.object else "") for each in found]


async def test_each_hears_what_concerns_it() -> None:
    server = Server()
    async with server.broadcast.heard("a") as of_a, server.broadcast.heard("b") as of_b:
        await server.tells(WatchEvent("ADDED", pod("1", "a")), SYNCED)
        await server.tells(WatchEvent("ADDED", pod("2", "b")), WatchEvent("ADDED", pod("3", "c")))
        assert await heard(of_a, 2) == [("ADDED", "1"), ("SYNCED", "")]
        assert await heard(of_b, 2) == [("SYNCED", ""), ("ADDED", "2")]
    assert server.opened == 1


async def test_who_comes_later_hears_what_is_there() -> None:
    server = Server()
    async with server.broadcast.heard("nothing"):
        await server.tells(
            WatchEvent("ADDED", pod("1", "a")),
            SYNCED,
            WatchEvent("ADDED", pod("2", "a")),
            WatchEvent("MODIFIED", pod("2", "a", "2")),
            WatchEvent("DELETED", pod("1", "a")),
        )
        async with server.broadcast.heard("a") as news:
            added = await anext(news)
            assert added.object == pod("2", "a", "2")
            assert await heard(news, 1) == [("SYNCED", "")]


async def test_it_runs_while_anybody_listens_and_forgets_afterwards() -> None:
    server = Server()
    async with AsyncExitStack() as listening:
        await listening.enter_async_context(server.broadcast.heard("a"))
        async with server.broadcast.heard("a"):
            await server.tells(WatchEvent("ADDED", pod("1", "a")), SYNCED)
        assert server.closed == 0
    assert server.closed == 1
    async with server.broadcast.heard("a") as news:
        await server.tells(SYNCED)
        assert await heard(news, 1) == [("SYNCED", "")]
    assert server.opened == 2


async def test_what_ends_the_watch_is_raised_to_all_also_to_who_comes_later() -> None:
    server = Server()
    refused = Forbidden(403, "Forbidden", "no such right")
    async with server.broadcast.heard("a") as first:
        await server.tells(refused)
        with pytest.raises(Forbidden):
            await anext(first)
        async with server.broadcast.heard("b") as second:
            with pytest.raises(Forbidden):
                await anext(second)
    async with server.broadcast.heard("a") as again:  # rights may have been granted
        await server.tells(SYNCED)
        assert (await anext(again)).kind == "SYNCED"


async def test_the_watch_belongs_to_none_of_the_listeners() -> None:
    """What a task's log is bound to must not be where the shared watch logs."""
    whose = contextvars.ContextVar("whose", default="nobody's")
    seen: list[str] = []

    async def watch() -> AsyncGenerator[WatchEvent[Pod], None]:
        seen.append(whose.get())
        yield SYNCED

    whose.set("the first one's")
    async with Broadcast(watch, lambda each: each.metadata.uid).heard("a") as news:
        await anext(news)
    assert seen == ["nobody's"]
