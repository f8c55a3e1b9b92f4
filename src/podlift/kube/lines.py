"""Cuts a stream of bytes into lines."""

from __future__ import annotations

from collections.abc import Iterator


class LineSplitter:
    """Takes bytes as they come and gives back lines with their newline.

    Nothing is lost or added: all that comes out, joined, is what went in. A line longer than
    `limit` bytes comes in parts of `limit` bytes, of which only the last ends in a newline. Where
    the cuts fall does not depend on how the stream was chopped up on its way.
    """

    def __init__(self, limit: int | None = None) -> None:
        self._limit = limit
        self._begun: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that are whole by now, and full parts of one that is too long."""
        *ends, rest = data.split(b"\n")
        lines: list[bytes] = []
        for end in ends:
            lines += self._cut(self.rest() + end + b"\n")
        self._begun.append(rest)
        self._size += len(rest)
        if self._limit is not None and self._size >= self._limit:
            *full, rest = self._cut(self.rest(), keep_last=True)
            lines += full
            self._begun, self._size = [rest], len(rest)
        return lines

    def rest(self) -> bytes:
        """Takes out what has come after the last newline: at the end of a stream, its last line."""
        rest = b"".join(self._begun)
        self._begun, self._size = [], 0
        return rest

    def _cut(self, line: bytes, *, keep_last: bool = False) -> Iterator[bytes]:
        """A line in parts; with `keep_last` the last is shorter than the limit, maybe empty."""
        if self._limit is None:
            yield line
            return
        end = len(line) + (1 if keep_last else 0)
        for start in range(0, end, self._limit):
            yield line[start : start + self._limit]
