"""Reading logs back: whole, from a time, the last lines, or as they are written.

Positions are found by seeking, and entries have heads of one length, which are cut off by the
chunk: a large log costs little more than copying it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from podlift.local.kubelet.contract import LogOptions
from podlift.local.kubelet.logs import LogWriter, log_files

_CHUNK = 256 << 10
_TIME_LENGTH = len("2026-01-01T00:00:00.000000000Z")
#: What goes before a line: the time, the stream and the tag.
_HEAD_LENGTH = _TIME_LENGTH + len(" stdout F ")

_PARTS = (b" stdout P ", b" stderr P ")


@dataclass(frozen=True, slots=True)
class _Position:
    number: int
    offset: int


async def read_log(
    folder: Path, run: int, options: LogOptions, writer: LogWriter | None
) -> AsyncIterator[bytes]:
    """The log of one run; *writer* is the one that still writes it, if any."""
    left = options.limit_bytes
    convert = _Converter(options.timestamps)
    async for lines in _lines(folder, run, options, writer):
        text = convert(lines)
        if left is not None:
            text = text[:left]
            left -= len(text)
        if text:
            yield text
        if left == 0:
            return


def tail(folder: Path, run: int, lines: int, most_bytes: int) -> bytes:
    """The last lines of a run's log without times, at most *most_bytes* of them."""
    files = log_files(folder, run)
    start = _tail_start(files, lines)
    convert = _Converter(timestamps=False)
    text = b""
    for number, path in files:
        if number >= start.number:
            with path.open("rb") as file:
                file.seek(start.offset if number == start.number else 0)
                text += convert(file.read())
    return text[-most_bytes:]


async def _lines(
    folder: Path, run: int, options: LogOptions, writer: LogWriter | None
) -> AsyncIterator[bytes]:
    """Chunks of whole entries, from the first that is wanted."""
    position = _start(log_files(folder, run), options)
    while True:
        # Asked before reading: what is written while we read is found by the next turn.
        ended = writer is None or writer.closed or not options.follow
        found = [one for one in log_files(folder, run) if one[0] >= position.number]
        if found and found[0][0] != position.number:
            position = _Position(found[0][0], 0)  # overtaken by the rotation
        for number, path in found:
            offset = position.offset if number == position.number else 0
            async for chunk in _chunks(path, offset):
                offset += len(chunk)
                position = _Position(number, offset)
                yield chunk
        if ended:
            return
        if not _grown(folder, run, position):
            assert writer is not None
            if not writer.closed:
                await writer.changed()


def _grown(folder: Path, run: int, position: _Position) -> bool:
    files = log_files(folder, run)
    if not files:
        return False
    number, path = files[-1]
    return number > position.number or path.stat().st_size > position.offset


async def _chunks(path: Path, offset: int) -> AsyncIterator[bytes]:
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return  # rotated away meanwhile
    with file:
        file.seek(offset)
        rest = b""
        while data := file.read(_CHUNK):
            data = rest + data
            end = data.rfind(b"\n") + 1
            if end:
                yield data[:end]
                await asyncio.sleep(0)
            rest = data[end:]


def _start(files: list[tuple[int, Path]], options: LogOptions) -> _Position:
    start = _Position(files[0][0], 0) if files else _Position(0, 0)
    if options.tail_lines is not None:
        start = _tail_start(files, options.tail_lines)
    since = _since(options)
    if since is not None:
        found = _since_start(files, since)
        if (found.number, found.offset) > (start.number, start.offset):
            start = found
    return start


def _since(options: LogOptions) -> bytes | None:
    if options.since_seconds is not None:
        moment = datetime.now(UTC) - timedelta(seconds=options.since_seconds)
    elif options.since_time is not None:
        # A real API server passes the time on in whole seconds.
        moment = options.since_time.astimezone(UTC).replace(microsecond=0)
    else:
        return None
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f000Z").encode()


def _tail_start(files: list[tuple[int, Path]], lines: int) -> _Position:
    """Where the last *lines* entries begin."""
    if not files:
        return _Position(0, 0)
    missing = lines
    for number, path in reversed(files):
        size = path.stat().st_size
        offset, missing = _backwards(path, size, missing)
        if missing <= 0:
            return _Position(number, offset)
    return _Position(files[0][0], 0)


def _backwards(path: Path, size: int, missing: int) -> tuple[int, int]:
    """Go back over *missing* entries of a file; returns where, and how many are still missing."""
    wanted = missing + 1  # the end of the entry before the first one that is wanted
    seen, end = 0, size
    with path.open("rb") as file:
        while end > 0:
            begin = max(0, end - _CHUNK)
            data = os.pread(file.fileno(), end - begin, begin)
            count = data.count(b"\n")
            if seen + count >= wanted:
                at = len(data)
                for _ in range(wanted - seen):
                    at = data.rfind(b"\n", 0, at)
                return begin + at + 1, 0
            seen, end = seen + count, begin
    return 0, missing - seen


def _since_start(files: list[tuple[int, Path]], since: bytes) -> _Position:
    """Where the first entry at or after *since* begins; entries are in order of time."""
    for number, path in files:
        size = path.stat().st_size
        offset = _bisect(path, size, since)
        if offset < size:
            return _Position(number, offset)
    if not files:
        return _Position(0, 0)
    return _Position(files[-1][0], files[-1][1].stat().st_size)


def _bisect(path: Path, size: int, since: bytes) -> int:
    low, high = 0, size
    with path.open("rb") as file:
        while low < high:
            middle = (low + high) // 2
            begin = _line_start(file.fileno(), middle)
            if os.pread(file.fileno(), _TIME_LENGTH, begin) < since:
                low = _line_end(file.fileno(), middle, size)
            else:
                high = begin
    return low


def _line_start(fd: int, offset: int) -> int:
    while offset > 0:
        begin = max(0, offset - 4096)
        at = os.pread(fd, offset - begin, begin).rfind(b"\n")
        if at >= 0:
            return begin + at + 1
        offset = begin
    return 0


def _line_end(fd: int, offset: int, size: int) -> int:
    while offset < size:
        data = os.pread(fd, 4096, offset)
        at = data.find(b"\n")
        if at >= 0:
            return offset + at + 1
        offset += len(data)
    return size


class _Converter:
    """From entries to what the container wrote, with or without the time before each line."""

    def __init__(self, timestamps: bool) -> None:
        self._timestamps = timestamps
        self._inside_line = False

    def __call__(self, entries: bytes) -> bytes:
        lines = entries.split(b"\n")
        if self._inside_line or any(part in entries for part in _PARTS):
            return b"".join(map(self._one, lines[:-1]))
        if self._timestamps:
            return b"\n".join([line[: _TIME_LENGTH + 1] + line[_HEAD_LENGTH:] for line in lines])
        return b"\n".join([line[_HEAD_LENGTH:] for line in lines])

    def _one(self, entry: bytes) -> bytes:
        moment, _, tag, line = entry.split(b" ", 3)
        continues, self._inside_line = self._inside_line, tag == b"P"
        text = line if tag == b"P" else line + b"\n"
        if self._timestamps and not continues:
            return moment + b" " + text
        return text
