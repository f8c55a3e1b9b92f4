"""One watch that any number of listeners hear, each of them what concerns it."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Hashable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias, TypeVar

from podlift.kube import KubeError, WatchEvent

T = TypeVar("T")
_Queue: TypeAlias = "asyncio.Queue[WatchEvent[T] | KubeError]"


class News(Generic[T]):
    """What a watch tells one listener: what is there, SYNCED, and then every change."""

    def __init__(self, queue: _Queue[T]) -> None:
        self._queue = queue

    def __aiter__(self) -> News[T]:
        return self

    async def __anext__(self) -> WatchEvent[T]:
        """The next piece of news. Raises the ``KubeError`` that ended the watch."""
        each = await self._queue.get()
        if isinstance(each, KubeError):
            raise each
        return each


@dataclass
class _Told(Generic[T]):
    """What was told until now, for those who come later."""

    objects: dict[Hashable, dict[str, T]] = field(default_factory=dict)
    """By key, then by UID."""
    synced: bool = False
    failure: KubeError | None = None


class Broadcast(Generic[T]):
    """A watch that runs while anybody listens.

    ``open_watch`` begins it; ``key`` says whose news an object is.
    """

    def __init__(
        self,
        open_watch: Callable[[], AsyncGenerator[WatchEvent[T], None]],
        key: Callable[[T], Hashable],
    ) -> None:
        self._open_watch = open_watch
        self._key = key
        self._listeners: dict[Hashable, list[_Queue[T]]] = {}
        self._told: _Told[T] = _Told()
        self._running: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def heard(self, key: Hashable) -> AsyncIterator[News[T]]:
        """Listen while the block runs; who comes later hears first what is there."""
        queue: _Queue[T] = asyncio.Queue()
        for known in self._told.objects.get(key, {}).values():
            queue.put_nowait(WatchEvent("ADDED", known))
        if self._told.synced:
            queue.put_nowait(WatchEvent("SYNCED"))
        if self._told.failure is not None:
            queue.put_nowait(self._told.failure)
        self._listeners.setdefault(key, []).append(queue)
        if self._running is None:
            # It belongs to nobody: what it logs must not go into the log of who came first.
            told = self._told = _Told()
            self._running = asyncio.create_task(self._tell(told), context=contextvars.Context())
        try:
            yield News(queue)
        finally:
            self._listeners[key].remove(queue)
            if not self._listeners[key]:
                del self._listeners[key]
            await self._stop_if_alone()

    async def _stop_if_alone(self) -> None:
        if self._listeners or self._running is None:
            return
        running, self._running, self._told = self._running, None, _Told()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    async def _tell(self, told: _Told[T]) -> None:
        try:
            async with aclosing(self._open_watch()) as changes:
                async for each in changes:
                    if each.object is None:
                        told.synced = True
                        self._put(each, self._listeners)
                        continue
                    key = self._key(each.object)
                    _remember(told.objects, key, each)
                    self._put(each, [key])
        except KubeError as error:
            told.failure = error
            self._put(error, self._listeners)

    def _put(self, each: WatchEvent[T] | KubeError, keys: Any) -> None:
        for key in keys:
            for queue in self._listeners.get(key, ()):
                queue.put_nowait(each)


def _remember(objects: dict[Hashable, dict[str, T]], key: Hashable, each: WatchEvent[T]) -> None:
    assert each.object is not None
    known, uid = objects.setdefault(key, {}), _uid_of(each.object)
    if each.kind == "DELETED":
        known.pop(uid, None)
    else:
        known[uid] = each.object
    if not known:
        del objects[key]


def _uid_of(thing: Any) -> str:
    uid: str = thing["metadata"]["uid"] if isinstance(thing, dict) else thing.metadata.uid
    return uid
