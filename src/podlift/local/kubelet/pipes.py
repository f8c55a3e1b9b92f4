"""Output of processes: read as it comes, handed to those who listen."""

from __future__ import annotations

import asyncio
import errno
import os
from collections import deque
from collections.abc import AsyncIterator, Callable

_READ = 64 << 10

#: A listener that is further behind stops the process's output until it has caught up.
_MOST_BEHIND = 4 << 20


class Outlet:
    """What one listener has still to read of a stream."""

    def __init__(self, resume: Callable[[], None] = lambda: None) -> None:
        self._chunks: deque[bytes] = deque()
        self._behind = 0
        self._ended = False
        self._wake = asyncio.Event()
        self._resume = resume

    @property
    def full(self) -> bool:
        """Whether no more should be put in for now."""
        return self._behind > _MOST_BEHIND

    def put(self, data: bytes) -> None:
        """Add a chunk."""
        self._chunks.append(data)
        self._behind += len(data)
        self._wake.set()

    def end(self) -> None:
        """Nothing more will come."""
        self._ended = True
        self._wake.set()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            while self._chunks:
                data = self._chunks.popleft()
                self._behind -= len(data)
                self._resume()
                yield data
            if self._ended:
                return
            self._wake.clear()
            await self._wake.wait()


class Pump:
    """Reads a descriptor, which it owns, on the event loop until its end.

    *sink* gets every chunk, *finish* is called once; outlets get the chunks from when they were
    added.
    """

    def __init__(
        self,
        fd: int,
        sink: Callable[[bytes], None] = lambda data: None,
        finish: Callable[[], None] = lambda: None,
    ) -> None:
        self._fd = fd
        self._sink = sink
        self._finish = finish
        self._outlets: list[Outlet] = []
        self._paused = False
        self._loop = asyncio.get_running_loop()
        self.ended = asyncio.Event()
        os.set_blocking(fd, False)
        self._loop.add_reader(fd, self._read)

    def listen(self) -> Outlet:
        """A new outlet; already at its end when the stream is."""
        outlet = Outlet(self._resume)
        if self.ended.is_set():
            outlet.end()
        self._outlets.append(outlet)
        return outlet

    def forget(self, outlet: Outlet) -> None:
        """The listener has gone."""
        if outlet in self._outlets:
            self._outlets.remove(outlet)
            outlet.end()
            self._resume()

    def close(self) -> None:
        """Stop reading, whether or not the stream has ended."""
        if self.ended.is_set():
            return
        self._loop.remove_reader(self._fd)
        os.close(self._fd)
        self.ended.set()
        self._finish()
        for outlet in self._outlets:
            outlet.end()

    async def drain(self, seconds: float) -> None:
        """Wait for the end; close when nothing ends it for *seconds*, as a stray child may not.

        A listener that is behind gets the time it needs.
        """
        while not self.ended.is_set():
            try:
                await asyncio.wait_for(self.ended.wait(), seconds)
            except TimeoutError:
                if not self._paused:
                    self.close()

    def _read(self) -> None:
        try:
            data = os.read(self._fd, _READ)
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            data = b""  # a terminal says so when its other side is closed
        if not data:
            self.close()
            return
        self._sink(data)
        for outlet in self._outlets:
            outlet.put(data)
        if any(outlet.full for outlet in self._outlets):
            self._paused = True
            self._loop.remove_reader(self._fd)

    def _resume(self) -> None:
        if self._paused and not self.ended.is_set() and not any(o.full for o in self._outlets):
            self._paused = False
            self._loop.add_reader(self._fd, self._read)


class Input:
    """The writing end of a process's standard input, which it owns."""

    def __init__(self, fd: int) -> None:
        self._fd: int | None = fd
        self._loop = asyncio.get_running_loop()
        os.set_blocking(fd, False)

    async def write(self, data: bytes) -> None:
        """Write all of *data*, waiting while the pipe is full; no-op once nobody reads."""
        left = memoryview(data)
        while left and self._fd is not None:
            try:
                left = left[os.write(self._fd, left) :]
            except BlockingIOError:
                await self._writable(self._fd)
            except OSError:
                self.close()

    def close(self) -> None:
        """The process will read the end of its input."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    async def _writable(self, fd: int) -> None:
        ready: asyncio.Future[None] = self._loop.create_future()
        self._loop.add_writer(fd, _set, ready)
        try:
            await ready
        finally:
            self._loop.remove_writer(fd)


def _set(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
