"""Copies the logs of a pod's containers from the cluster into a draft.

In pieces, so that a log of any length takes little memory; in bounded time, because the end of a
task waits for it; and with patience, because an API server that is busy now is not later.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol, TypeVar

from podlift.executor.archive import Draft
from podlift.executor.log_lines import undated_line
from podlift.kube.client import Client
from podlift.kube.errors import KubeError
from podlift.pods.building import BASE
from podlift.pods.reading import ContainerStatus, Pod, container_status, has_started

T = TypeVar("T")

_PIECE = 1 << 20
_SAMPLE = 1 << 16
_OTHER_LINES, _OTHER_BYTES = 200, 1 << 18
_LATE = timedelta(seconds=15)
"""How long after a container's start its first line may come before it looks as if others had been
dropped: a node keeps no more than the last 10 MiB of a container's log, unless told otherwise."""


class InThread(Protocol):
    """Runs something that blocks where it may."""

    def __call__(self, work: Callable[..., T], *arguments: object) -> Awaitable[T]:
        """Its result, or what it raises."""


@dataclass(frozen=True)
class Copied:
    """What came of copying."""

    sample: bytes = b""
    """The beginning; empty if nothing was logged."""
    rest: bytes = b""
    """What is yet to be written to the draft: short logs do not touch the disk twice."""
    gap: str = ""
    """Why something is missing."""


@dataclass(frozen=True)
class Patience:
    """Times in seconds."""

    whole: float = 60.0
    """What is spent on one pod, at most."""
    silence: float = 15.0
    """After that a node that sends nothing is taken to be dead."""
    mute: float = 60.0
    """For that long a node that did not answer is not asked again, for other pods' logs."""


PATIENCE = Patience()


class Copier:
    """Remembers which nodes do not answer: 1,000 pods of a dead one are not asked one by one."""

    def __init__(self, client: Client, in_thread: InThread, patience: Patience = PATIENCE) -> None:
        self._client = client
        self._in_thread = in_thread
        self._patience = patience
        self._mute: dict[str, float] = {}

    async def copy(self, pod: Pod, draft: Draft, *, base: bool, others: bool) -> Copied:
        """Copy the log of the task's container, after the ends of those of others that failed.

        Raises ``OSError`` if the draft cannot be written.
        """
        failed = list(_failed_others(pod)) if others else []
        base = base and has_started(pod, BASE)
        if not failed and not base:
            return Copied()
        node, clock = pod.spec.node_name, asyncio.get_running_loop().time
        if self._mute.get(node, 0.0) > clock():
            return Copied(gap=f"The log cannot be had: node {node} does not answer.")
        deadline, wait = clock() + self._patience.whole, 0.5
        while True:
            attempt = self.attempt(pod, draft)
            try:
                await attempt.copy(failed, base)
                return attempt.copied()
            except _Silence:
                why = f"node {node} does not answer."
            except KubeError as error:
                why = str(error)
                if not error.transient:
                    return attempt.copied(f"The log cannot be had: {why}")
                if clock() + wait < deadline:
                    await asyncio.sleep(wait)
                    wait = min(wait * 2, 10.0)
                    continue
            self._mute[node] = clock() + self._patience.mute
            return attempt.copied(f"The log cannot be had: {why}")

    def attempt(self, pod: Pod, draft: Draft) -> Attempt:
        """One that is not repeated, to follow a log with."""
        return Attempt(self._client, self._in_thread, pod, draft, self._patience.silence)


class _Silence(Exception):
    """Nothing came for too long."""


class Attempt:
    """Copies from the beginning, once. What came before it failed or was cancelled is kept."""

    def __init__(
        self, client: Client, in_thread: InThread, pod: Pod, draft: Draft, silence: float
    ) -> None:
        self._client = client
        self._in_thread = in_thread
        self._silence = silence
        self._pod = pod
        self._draft = draft
        self._buffer = bytearray()
        self._sample = b""
        self._spilled = False

    def copied(self, gap: str = "") -> Copied:
        """What it has come to by now."""
        sample = self._sample or bytes(self._buffer[:_SAMPLE])
        return Copied(sample, bytes(self._buffer), gap)

    async def copy(self, others: list[ContainerStatus], base: bool) -> None:
        """Raises ``KubeError``, ``_Silence`` and ``OSError``."""
        if not self._draft.is_empty:
            await self._in_thread(self._draft.abandon)
        for status in others:
            self._say(_heading(status))
            await self._pieces(status.name, tail_lines=_OTHER_LINES, limit_bytes=_OTHER_BYTES)
        if others and base:
            self._say(f"Container {BASE!r}:")
        if base:
            await self._pieces(BASE)

    async def follow(self) -> None:
        """Copy what the task's container writes until it ends.

        Raises ``KubeError`` and ``OSError``.
        """
        metadata = self._pod.metadata
        pieces = self._client.log_pieces(metadata.name, metadata.namespace, BASE, follow=True)
        async with aclosing(pieces):
            async for piece in pieces:
                await self._add(piece, BASE)

    async def _add(self, piece: bytes, container: str) -> None:
        self._buffer += piece
        if len(self._buffer) >= _PIECE:
            await self._spill(container)

    def _say(self, sentence: str) -> None:
        if self._buffer and not self._buffer.endswith(b"\n"):
            self._buffer += b"\n"
        self._buffer += undated_line(sentence)

    async def _pieces(
        self, container: str, tail_lines: int | None = None, limit_bytes: int | None = None
    ) -> None:
        pod = self._pod.metadata
        pieces = self._client.log_pieces(
            pod.name, pod.namespace, container, tail_lines=tail_lines, limit_bytes=limit_bytes
        )
        async with aclosing(pieces):
            while piece := await self._next(pieces):
                await self._add(piece, container)

    async def _next(self, pieces: AsyncGenerator[bytes, None]) -> bytes:
        try:
            async with asyncio.timeout(self._silence):
                return await anext(pieces, b"")
        except TimeoutError as error:
            raise _Silence from error

    async def _spill(self, container: str) -> None:
        piece = bytes(self._buffer)
        self._buffer.clear()
        if not self._spilled:
            self._spilled, self._sample = True, piece[:_SAMPLE]
            piece = await self._what_was_dropped(container) + piece
        await self._in_thread(self._draft.write, piece)

    async def _what_was_dropped(self, container: str) -> bytes:
        """A line that says so if the log does not begin where the container did."""
        metadata = self._pod.metadata
        begun = _started_at(self._pod, container)
        text = await self._client.read_log(
            metadata.name, metadata.namespace, container, timestamps=True, limit_bytes=64
        )
        first = _moment(text.partition(b" ")[0])
        if begun is None or first is None or first - begun < _LATE:
            return b""
        return undated_line(
            f"[The node keeps only the end of a log as long as this one: what the container wrote "
            f"before {first:%Y-%m-%d %H:%M:%S} UTC is lost]",
            level="warning",
        )


def _failed_others(pod: Pod) -> Iterator[ContainerStatus]:
    """Containers beside the task's that ended badly: init containers and sidecars."""
    for status in (*pod.status.init_container_statuses, *pod.status.container_statuses):
        ended = status.state.terminated
        if status.name != BASE and ended is not None and ended.exit_code:
            yield status


def _heading(status: ContainerStatus) -> str:
    ended = status.state.terminated
    code = ended.exit_code if ended else 0
    return (
        f"Container {status.name!r} ended with exit code {code}; the last of its log, "
        f"{_OTHER_LINES} lines at most:"
    )


def _started_at(pod: Pod, container: str) -> datetime | None:
    status = container_status(pod, container)
    state = status.state.terminated or status.state.running if status else None
    return state.started_at if state else None


def _moment(stamp: bytes) -> datetime | None:
    try:
        moment = datetime.fromisoformat(stamp.decode("ascii"))
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else None
