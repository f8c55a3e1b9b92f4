"""The log of a pod that is running, for Airflow's UI. Runs in the API server's process.

The UI asks for the whole log every few seconds. Airflow takes it in pieces, so that it never is in
memory as a whole; a very long one is cut in the middle, because reading all of it would take longer
than anybody waits.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, TypeAlias

from podlift.executor.archive import LogFolder
from podlift.executor.connecting import connected
from podlift.executor.deployment import log_folder
from podlift.executor.execution import LOG_PATH
from podlift.executor.log_lines import undated_line
from podlift.executor.task_pods import TIMEOUT, find_pod, identity_of_row
from podlift.kube.client import Client
from podlift.kube.errors import KubeError
from podlift.kube.lines import LineSplitter
from podlift.kube.logs import LINE_LIMIT
from podlift.pods.building import BASE
from podlift.pods.labels import Identity
from podlift.pods.reading import Pod
from podlift.settings import Settings

if TYPE_CHECKING:
    from airflow.models.taskinstance import TaskInstance

Put: TypeAlias = Callable[[list[str] | str], Awaitable[None]]
"""Takes where the log is from, once, and then pieces of it that end at a line's end."""

_PIECE = 1 << 16
_PIECES_AHEAD = 8
_POLL = 0.05


def read_running_log(
    settings: Settings, ti: TaskInstance, try_number: int
) -> tuple[list[str], Iterator[str]]:
    """Where the log is from, and its pieces; what went wrong is said in the former.

    Nothing is read twice: where the worker's own log file can be read here, Airflow shows that.
    """
    reading = _Reading(settings, identity_of_row(ti, try_number), log_folder())
    return reading.sources(), reading.pieces()


class _Reading:
    """Reads in a thread with a loop of its own, a few pieces ahead of whoever takes them."""

    def __init__(self, settings: Settings, identity: Identity, folder: LogFolder) -> None:
        self._settings = settings
        self._identity = identity
        self._folder = folder
        self._queue: queue.Queue[list[str] | str] = queue.Queue(_PIECES_AHEAD)
        self._begun = False
        self._unwanted = threading.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._read()), name="podlift-log", daemon=True
        )
        self._thread.start()

    def sources(self) -> list[str]:
        """Waits until it is known."""
        sources = self._take()
        return sources if isinstance(sources, list) else []

    def pieces(self) -> Iterator[str]:
        """The log, in pieces that end at a line's end."""
        try:
            while isinstance(piece := self._take(), str):
                yield piece
        finally:
            self._unwanted.set()

    def _take(self) -> list[str] | str | None:
        """The next item; None when there is no more."""
        while True:
            ended = not self._thread.is_alive()
            try:
                return self._queue.get(timeout=0 if ended else _POLL)
            except queue.Empty:
                if ended:
                    return None

    async def _read(self) -> None:
        why = ""
        try:
            async with asyncio.timeout(TIMEOUT), connected(self._settings) as client:
                await _show(client, self._settings, self._identity, self._folder, self._put)
        except TimeoutError:
            why = f"The Kubernetes API server did not send the log within {TIMEOUT:g} seconds."
        except KubeError as error:
            why = f"The log of the task's pod cannot be read: {error}"
        if why:
            with suppress(TimeoutError):  # nobody takes it
                async with asyncio.timeout(TIMEOUT):
                    await self._put(_said(why) if self._begun else [why])

    async def _put(self, item: list[str] | str) -> None:
        self._begun = True
        while not self._unwanted.is_set():
            try:
                return self._queue.put_nowait(item)
            except queue.Full:
                await asyncio.sleep(_POLL)
        return None


async def _show(
    client: Client, settings: Settings, identity: Identity, folder: LogFolder, put: Put
) -> None:
    pod = await find_pod(client, settings, identity)
    if pod is None:
        return await put(["There is no pod of this try."])
    source = f"Pod {pod.metadata.name} in namespace {pod.metadata.namespace}"
    await put([source])
    log_path = pod.metadata.annotations.get(LOG_PATH)
    file = folder.path(log_path) if log_path else None
    if file is not None and await asyncio.to_thread(file.exists):
        return None
    last = await _show_beginning(client, pod, settings.running_pod_log_bytes, put)
    if last is not None:
        await _show_end(client, pod, settings.running_pod_log_lines, last, put)
    return None


async def _show_beginning(client: Client, pod: Pod, limit: int, put: Put) -> bytes | None:
    """Show so many bytes; returns the time of the last line if there is more, else None."""
    if limit == 0:
        return b""
    metadata, size, last, shown = pod.metadata, 0, b"", _Shown(put)
    splitter = LineSplitter(LINE_LIMIT)
    pieces = client.log_pieces(
        metadata.name, metadata.namespace, BASE, timestamps=True, limit_bytes=limit
    )
    async with aclosing(pieces):
        async for piece in pieces:
            size += len(piece)
            for line in splitter.feed(piece):
                last = await shown.add(line)
    if size < limit:
        await shown.add(splitter.rest())
    await shown.flush()
    return None if size < limit else last


async def _show_end(client: Client, pod: Pod, lines: int, after: bytes, put: Put) -> None:
    metadata, shown = pod.metadata, _Shown(put)
    text = await client.read_log(
        metadata.name, metadata.namespace, BASE, tail_lines=lines, timestamps=True
    )
    if after:
        await put(_said(f"[Lines may be left out here; the last {lines} lines follow]"))
    for line in text.splitlines(keepends=True):
        if line.partition(b" ")[0] > after:
            await shown.add(line)
    await shown.flush()


class _Shown:
    """Lines without the time that the node put before each, together in pieces."""

    def __init__(self, put: Put) -> None:
        self._put = put
        self._lines: list[bytes] = []
        self._size = 0

    async def add(self, line: bytes) -> bytes:
        """Returns the line's time, which all nodes write in the same length."""
        time, _, text = line.partition(b" ")
        self._lines.append(text)
        self._size += len(text)
        if self._size >= _PIECE:
            await self.flush()
        return time

    async def flush(self) -> None:
        if self._lines:
            await self._put(b"".join(self._lines).decode("utf-8", "replace"))
        self._lines, self._size = [], 0


def _said(sentence: str) -> str:
    return undated_line(sentence, level="warning").decode("utf-8")
