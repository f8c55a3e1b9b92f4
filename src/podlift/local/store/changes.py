"""What happened to objects, for those who follow: a bounded history and subscriptions."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from podlift.local.kinds import Kind, Obj
from podlift.local.store.facts import Facts

T = TypeVar("T")


class ChangeType(StrEnum):
    """The types of watch events that tell of an object."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"


@dataclass(frozen=True, slots=True)
class Change:
    """One change, with the object's encoded bytes, which all watchers share."""

    version: int
    type: ChangeType
    kind: Kind
    raw: bytes
    facts: Facts
    #: What the object looked like before, for watchers whose selector it enters or leaves.
    before: Facts | None


@dataclass(frozen=True, slots=True)
class Event:
    """One change as controllers and the kubelet get it; the object is nobody's to change."""

    type: ChangeType
    kind: Kind
    object: Obj


class Subscription(Generic[T]):
    """A queue of what happened since it was opened; ``async for`` until it is closed.

    A reader that falls more than *limit* behind loses its subscription (``overrun`` is set): a
    client has to list again, and the server's memory stays bounded.
    """

    def __init__(self, limit: int | None = None) -> None:
        self._queue: deque[T] = deque()
        self._limit = limit
        self._wake = asyncio.Event()
        self.closed = False
        self.overrun = False

    def put(self, item: T) -> None:
        """Hand over one item; never waits."""
        if self.closed:
            return
        if self._limit is not None and len(self._queue) >= self._limit:
            self.overrun = True
            self.close()
            return
        self._queue.append(item)
        self._wake.set()

    def close(self) -> None:
        """End the iteration once what is queued has been read."""
        self.closed = True
        self._wake.set()

    async def batch(self) -> list[T]:
        """Everything queued, waiting for the first; empty only when closed."""
        while not self._queue and not self.closed:
            self._wake.clear()
            await self._wake.wait()
        items = list(self._queue)
        self._queue.clear()
        return items

    async def __aiter__(self) -> AsyncIterator[T]:
        while True:
            while self._queue:
                yield self._queue.popleft()
            if self.closed:
                return
            self._wake.clear()
            await self._wake.wait()


class History:
    """The last changes of one kind, bounded in number and in bytes.

    ``floor`` is the oldest version from which a watch can still be resumed without a gap.
    """

    def __init__(self, floor: int, *, most: int, most_bytes: int) -> None:
        self.floor = floor
        self._most = most
        self._most_bytes = most_bytes
        self._bytes = 0
        self._changes: deque[Change] = deque()

    def append(self, change: Change) -> None:
        """Remember one more change and forget the oldest where there are too many."""
        self._changes.append(change)
        self._bytes += len(change.raw)
        while len(self._changes) > self._most or self._bytes > self._most_bytes:
            oldest = self._changes.popleft()
            self._bytes -= len(oldest.raw)
            self.floor = oldest.version

    def since(self, version: int) -> list[Change] | None:
        """The changes after *version*, or None where some of them are forgotten."""
        if version < self.floor:
            return None
        newer: list[Change] = []
        for change in reversed(self._changes):
            if change.version <= version:
                break
            newer.append(change)
        newer.reverse()
        return newer
