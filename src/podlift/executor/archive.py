"""The files that kept logs are in: below Airflow's log folder, beside those of the workers.

Airflow shows all files whose names begin with the log's name, put in order by time. So what is kept
goes into a file of its own, ``<log>.<pod>.<execution>.log``: nothing that a worker or another
scheduler wrote is touched, and keeping twice does no harm. A hidden file, ``.<log>.kept``, lists
them, because a web server can be asked for a file but not for what there is.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from podlift.executor.log_lines import undated_line

KEPT_LOG_LIMIT = 100 * 1024 * 1024
_COPY = 1 << 20
_LONGEST_CUT_LINE = 1 << 16
"""How much is given up, at most, to end the head and to begin the tail at a line's end."""


@dataclass(frozen=True)
class LogFolder:
    """Airflow's ``[logging] base_log_folder`` and the permissions it wants there."""

    base: Path
    folder_mode: int = 0o775
    file_mode: int = 0o664

    def path(self, log_path: str) -> Path | None:
        """The file for a relative log path; None for one that leads out of the folder.

        Looks at the disk: not for the engine's loop.
        """
        path = Path(os.path.realpath(self.base / log_path))
        return path if path.is_relative_to(os.path.realpath(self.base)) else None

    def place(self, log_path: str) -> Path | None:
        """The same without a look at the disk, which ``has`` is then to take."""
        leads_out = os.path.isabs(log_path) or ".." in log_path.split("/")
        return None if leads_out else self.base / log_path

    def has(self, file: Path) -> bool:
        """Whether the file is there. Raises ``OSError`` if links lead it out of the folder."""
        if self._leads_out(file):
            raise OSError(errno.ELOOP, "links lead out of the log folder", str(file))
        return os.path.exists(file)

    def _leads_out(self, file: Path) -> bool:
        base, at = str(self.base), str(file)
        while len(at) > len(base):
            if os.path.islink(at):  # rare, and where it leads takes long to find out
                return self.path(at) is None
            at = os.path.dirname(at)
        return at != base

    def make_room(self, file: Path) -> None:
        """Make the folders that the file will be in."""
        missing = [each for each in (file.parent, *file.parent.parents) if not each.exists()]
        for parent in reversed(missing):
            parent.mkdir(mode=self.folder_mode, exist_ok=True)


def kept_file(file: Path, pod_name: str, execution_id: str) -> Path:
    """Where the log of one pod of the try with this log file is kept.

    A task that was deferred may run again in a pod of the same name, hence the execution.
    """
    return file.with_name(f"{file.name}.{pod_name or 'pod'}.{execution_id[:8]}.log")


def index_name(log_path: str) -> str:
    """The relative path of the list of what is kept for the log with this relative path."""
    folder, _, name = log_path.rpartition("/")
    return f"{folder}/.{name}.kept" if folder else f".{name}.kept"


def add_to_index(file: Path, kept: str, folder: LogFolder) -> None:
    """Note that something is kept under the name ``kept``; a name that is noted twice counts once.

    One short write that appends is never mixed with another's, so schedulers may share a folder.
    """
    index = file.with_name(index_name(file.name))
    if kept in listed(index.read_text() if index.exists() else "", file.name):
        return
    fresh = not index.exists()
    with index.open("ab", buffering=0) as stream:
        stream.write(f"{kept}\n".encode())
    if fresh:
        index.chmod(folder.file_mode)


def listed(index: str, name: str) -> list[str]:
    """The names in an index: those of the log ``name``, whatever else somebody wrote there."""
    names = dict.fromkeys(line.strip() for line in index.splitlines())
    return [each for each in names if each.startswith(name) and "/" not in each]


class Draft:
    """A kept log in the making. It appears whole, or not at all; its size is limited.

    Of a log that is longer than ``limit`` bytes the first and the last half of that are kept, with
    a mark between them. Meanwhile it takes half as much again on the disk, and next to nothing in
    memory. Nothing touches the disk before the first ``write`` or ``finish``. Every method may
    raise ``OSError``; then ``abandon`` it.
    """

    def __init__(self, target: Path, folder: LogFolder, limit: int) -> None:
        self.target = target
        self._folder = folder
        self._limit = limit
        self._head_limit = limit // 2
        self._begin()

    def _begin(self) -> None:
        self._head: BinaryIO | None = None
        self._head_size = 0
        self._tails: list[BinaryIO] = []
        self._tail_sizes = [0, 0]
        self._overflow = 0
        self._last = b"\n"

    @property
    def is_empty(self) -> bool:
        """Whether nothing was written yet."""
        return self._head is None

    def write(self, data: bytes) -> None:
        """Add to the end."""
        if not data:
            return
        self._last = data[-1:]
        room = max(0, self._head_limit - self._head_size)
        self._opened().write(data[:room])
        self._head_size += len(data[:room])
        if len(data) > room:
            self._write_tail(memoryview(data)[room:])

    def finish(self, ending: bytes = b"") -> None:
        """Add ``ending`` on lines of its own, whatever the limit, and make the file appear."""
        head = self._opened()
        if self._overflow:
            self._join(head)
        if ending and self._last != b"\n":
            head.write(b"\n")
        head.write(ending)
        head.close()
        draft = Path(head.name)
        draft.chmod(self._folder.file_mode)
        draft.replace(self.target)
        for stream in self._tails:
            stream.close()
            Path(stream.name).unlink(missing_ok=True)

    def abandon(self) -> None:
        """Leave nothing behind; the draft can be begun again."""
        for stream in filter(None, (self._head, *self._tails)):
            with suppress(OSError):  # what could not be written before cannot be now either
                stream.close()
            Path(stream.name).unlink(missing_ok=True)
        self._begin()

    def _opened(self) -> BinaryIO:
        if self._head is None:
            self._folder.make_room(self.target)
            self._head = self._open("head")
        return self._head

    def _open(self, part: str) -> BinaryIO:
        return self.target.with_name(f".{self.target.name}.{part}").open("w+b")

    def _write_tail(self, data: memoryview) -> None:
        """Into two files by turns: when the second is full the first begins anew."""
        if not self._tails:
            self._tails = [self._open("tail-1"), self._open("tail-2")]
        capacity = max(1, self._limit - self._head_limit)
        self._overflow += len(data)
        while data:
            if self._tail_sizes[1] == capacity:
                self._tails.reverse()
                self._tail_sizes = [capacity, 0]
                self._tails[1].seek(0)
                self._tails[1].truncate()
            piece = data[: capacity - self._tail_sizes[1]]
            self._tails[1].write(piece)
            self._tail_sizes[1] += len(piece)
            data = data[len(piece) :]

    def _join(self, head: BinaryIO) -> None:
        """Put the tail behind the head."""
        left_out = self._overflow - (self._limit - self._head_limit)
        skip = max(0, sum(self._tail_sizes) - (self._limit - self._head_limit))
        if left_out > 0:
            left_out += self._end_at_a_line(head)
            extra = self._to_next_line(skip)
            skip, left_out = skip + extra, left_out + extra
            head.write(_mark(left_out, self._limit))
        for piece in self._tail(skip):
            head.write(piece)

    def _end_at_a_line(self, head: BinaryIO) -> int:
        start = max(0, self._head_size - _LONGEST_CUT_LINE)
        head.seek(start)
        end = head.read().rfind(b"\n")
        size = start + end + 1 if end >= 0 else self._head_size
        head.seek(size)
        head.truncate()
        if size and end < 0:
            head.write(b"\n")
        return self._head_size - size

    def _to_next_line(self, skip: int) -> int:
        size = 0
        for piece in self._tail(skip):
            end = piece.find(b"\n") + 1
            if end or size + len(piece) > _LONGEST_CUT_LINE:
                return size + end if size + end <= _LONGEST_CUT_LINE else 0
            size += len(piece)
        return 0

    def _tail(self, skip: int) -> Iterator[bytes]:
        for stream, size in zip(self._tails, self._tail_sizes, strict=True):
            stream.seek(min(skip, size))
            skip = max(0, skip - size)
            while piece := stream.read(_COPY):
                yield piece


def _mark(left_out: int, limit: int) -> bytes:
    return undated_line(
        f"[{left_out:,} bytes are left out here: the log is longer than [podlift] kept_log_limit, "
        f"{limit:,} bytes]",
        level="warning",
    )
