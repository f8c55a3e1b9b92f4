"""What containers write: files of one line per line, with time and stream.

The format is that of the container runtimes: ``TIME stdout F line``, ``P`` for a part of a line
that goes on. A run's log is a series of files ``RUN.NUMBER.log``; the oldest goes when there are
too many. See https://kubernetes.io/docs/concepts/cluster-administration/logging/#log-rotation.
"""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

#: As the kubelet's containerLogMaxSize and containerLogMaxFiles.
MAX_BYTES = 10 << 20
MAX_FILES = 5

_SECOND = 1_000_000_000

#: A longer line is kept in parts, as containerd does.
MAX_LINE = 16 << 10


def log_files(folder: Path, run: int) -> list[tuple[int, Path]]:
    """The files of one run's log with their numbers, oldest first."""
    paths = folder.glob(f"{run}.*.log")
    return sorted((int(path.name.split(".")[1]), path) for path in paths)


class LogWriter:
    """Writes one run's log and wakes those who follow it."""

    def __init__(
        self, folder: Path, run: int, *, max_bytes: int = MAX_BYTES, max_files: int = MAX_FILES
    ) -> None:
        self.folder = folder
        self.run = run
        self.closed = False
        self._max_bytes = max_bytes
        self._max_files = max_files
        self._number = 0
        self._size = 0
        self._rest = {b"stdout": b"", b"stderr": b""}
        self._clock = _Clock()
        self._waiting: set[asyncio.Future[None]] = set()
        folder.mkdir(parents=True, exist_ok=True)
        self._fd = self._open()

    def write(self, stream: bytes, data: bytes) -> None:
        """Log what was read from *stream* (``b"stdout"`` or ``b"stderr"``)."""
        lines = (self._rest[stream] + data).split(b"\n")
        rest = lines.pop()
        entries = self._entries(stream, lines)
        while len(rest) >= MAX_LINE:
            entries.append(self._entry(stream, b"P", rest[:MAX_LINE]))
            rest = rest[MAX_LINE:]
        self._rest[stream] = rest
        if entries:
            self._append(b"".join(entries))

    def end(self, stream: bytes) -> None:
        """The stream was closed; what it wrote without a line's end is kept as a part."""
        rest, self._rest[stream] = self._rest[stream], b""
        if rest:
            self._append(self._entry(stream, b"P", rest))

    def close(self) -> None:
        """No more will come; followers end."""
        if self.closed:
            return
        for stream in self._rest:
            self.end(stream)
        self.closed = True
        os.close(self._fd)
        self._wake()

    async def changed(self) -> None:
        """Wait for the next entry or for the end."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(waiter)
        try:
            await waiter
        finally:
            self._waiting.discard(waiter)

    def _entries(self, stream: bytes, lines: list[bytes]) -> list[bytes]:
        if all(len(line) <= MAX_LINE for line in lines):
            second, fraction = self._clock.take(len(lines))
            head = b"%s.%%09dZ %s F %%s\n" % (second, stream)
            return [head % pair for pair in enumerate(lines, fraction)]
        entries = []
        for line in lines:
            while len(line) > MAX_LINE:
                entries.append(self._entry(stream, b"P", line[:MAX_LINE]))
                line = line[MAX_LINE:]
            entries.append(self._entry(stream, b"F", line))
        return entries

    def _entry(self, stream: bytes, tag: bytes, line: bytes) -> bytes:
        return b"%s.%09dZ %s %s %s\n" % (*self._clock.take(1), stream, tag, line)

    def _append(self, data: bytes) -> None:
        if self._size and self._size + len(data) > self._max_bytes:
            self._rotate()
        os.write(self._fd, data)
        self._size += len(data)
        self._wake()

    def _rotate(self) -> None:
        os.close(self._fd)
        self._number += 1
        self._size = 0
        self._fd = self._open()
        for _, path in log_files(self.folder, self.run)[: -self._max_files]:
            path.unlink()

    def _open(self) -> int:
        path = self.folder / f"{self.run}.{self._number}.log"
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def _wake(self) -> None:
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)


class _Clock:
    """Nanosecond times that never repeat, so that a reader can go on from one without a gap."""

    def __init__(self) -> None:
        self._last = 0
        self._second = -1
        self._text = b""

    def take(self, count: int) -> tuple[bytes, int]:
        """The present second, and the first of *count* nanoseconds in it that are now used."""
        begin = max(time.time_ns(), self._last + 1)
        second, fraction = divmod(begin, _SECOND)
        if fraction + count > _SECOND:
            second, fraction = second + 1, 0
        self._last = second * _SECOND + fraction + count - 1
        if second != self._second:
            self._second = second
            self._text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)).encode()
        return self._text, fraction
