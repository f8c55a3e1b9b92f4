"""Follow a container's log to its end, without a gap and without a repeated line."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from datetime import datetime

from podlift.kube import (
    BadRequest,
    Client,
    ConnectionFailed,
    Forbidden,
    KubeError,
    NotFound,
    TooManyRequests,
)
from podlift.kube.pacing import Backoff
from podlift.runs.positions import Line, LogPosition, Place, PlaceLost

Tell = Callable[[str, datetime | None], object]
Warn = Callable[[str], object]

_SILENCE, _MOST_SILENCE = 60.0, 600.0
"""Seconds after which a follow that says nothing is tried anew, and how long that grows while it
goes on to say nothing: a node may forget a follower when it rotates the log."""
_SILENCE_AFTER_END = 2.0
_STATE_LAG = 1.0
_NEWS_LAG, _NEWS_STEP = 5.0, 0.1
"""Seconds for the news of a restart: a node gives out the log of the new run before it says so."""
_PATIENCE = 150.0
"""Seconds for an API server that is away when a container has ended."""
_NODE_TRIES = 5
_TAIL_BYTES = 1 << 20


class LogFollower:
    """Tells the lines of one container's log as they come."""

    def __init__(
        self,
        client: Client,
        name: str,
        namespace: str,
        container: str,
        tell: Tell,
        warn: Warn,
        *,
        place: Place | None = None,
        restarts: Callable[[], int] = lambda: 0,
    ) -> None:
        self._client = client
        self._pod = (name, namespace, container)
        self._tell_line = tell
        self._warn = warn
        self._place = place or Place()
        self._position = LogPosition(self._place)
        self._restarts = restarts
        self._over = asyncio.Event()
        self._cut_off = False
        self._skips = False
        self._progress = 0
        self._whole = False
        self._told_trouble = False

    def end(self) -> None:
        """The container has ended: what it wrote until now is all there is."""
        self._over.set()

    def cut_off(self) -> None:
        """Where it goes on, nobody wants to hear what it writes from now on."""
        self._cut_off = not self._over.is_set()
        self._over.set()

    async def follow(self) -> None:
        """Tell all that the container writes until ``end`` is called, and what it wrote by then.

        That the container ended must come from elsewhere: a connection that the server closes may
        have been closed for any reason, and some are not closed though all was said. So after the
        end the log is read once more from where it is known. Never fails for the cluster: what
        cannot be read is said by ``warn``.
        """
        backoff = Backoff(random.random)
        silence = _SILENCE
        while not self._over.is_set():
            began, before, delay = time.monotonic(), self._progress, _STATE_LAG
            try:
                await self._tell_earlier_runs()
                await self._one_connection(silence)
                self._whole = self._position.found
            except NotFound:
                break
            except PlaceLost:
                # Either this is the log of another run, or lines are gone.
                self._skips = not await self._hears_of_restart()
                continue
            except KubeError as error:
                self._whole = False
                if self._progress > before or time.monotonic() - began >= _SILENCE:
                    backoff.reset()
                delay = backoff.next(error)
                if not self._may_pass(error):
                    return
            else:
                backoff.reset()
            heard = self._progress > before
            silence = _SILENCE if heard else min(2 * silence, _MOST_SILENCE)
            await _either(self._over, delay)
        await self._tell_the_rest()
        self._tell(self._position.finish())

    async def _one_connection(self, silence: float) -> None:
        reading = asyncio.ensure_future(self._follow_once(silence))
        over = asyncio.ensure_future(self._over.wait())
        try:
            await asyncio.wait({reading, over}, return_when=asyncio.FIRST_COMPLETED)
            seen = -1
            while not (reading.done() or self._cut_off) and seen < self._progress:
                seen = self._progress
                await asyncio.wait({reading}, timeout=_SILENCE_AFTER_END)
            if reading.done():
                reading.result()
        finally:
            over.cancel()
            reading.cancel()
            await asyncio.gather(reading, over, return_exceptions=True)

    async def _follow_once(self, silence: float) -> None:
        pieces = self._client.log_pieces(
            *self._pod, since_time=self._place.since, timestamps=True, follow=True, silence=silence
        )
        async with aclosing(pieces):
            await self._read(pieces)

    async def _read(self, pieces: AsyncIterator[bytes]) -> None:
        """Tell what is new in an answer; the slower that goes, the slower it is read."""
        begun = False
        async for piece in pieces:
            if not begun:
                self._position.begin(skips=self._skips)
                begun = True
            self._position.feed(piece)
            while self._position.pending:
                self._tell(self._position.lines())
                self._progress += 1
                await asyncio.sleep(0)

    async def _tell_the_rest(self) -> None:
        backoff = Backoff(random.random)
        deadline, node_tries = time.monotonic() + _PATIENCE, _NODE_TRIES
        while True:
            try:
                await self._tell_earlier_runs()
                await self._read_once()
            except PlaceLost:
                self._skips = True
            except NotFound:
                self._warn_unless_whole("The pod was gone before the end of its log was read")
                return
            except KubeError as error:
                delay = backoff.next(error)
                node_tries -= not isinstance(error, ConnectionFailed | TooManyRequests)
                gives_up = not node_tries or time.monotonic() + delay > deadline
                if gives_up or not (error.transient or isinstance(error, BadRequest)):
                    if isinstance(error, Forbidden):
                        self._may_pass(error)  # says so
                    else:
                        self._warn_of_gap(f"The end of the log could not be read: {error}")
                    return
                await asyncio.sleep(delay)
            else:
                self._tell(self._position.finish())
                if objection := self._position.objection:
                    self._warn_unless_whole(f"The node no longer has the log: {objection}")
                return

    async def _read_once(self) -> None:
        pieces = self._client.log_pieces(*self._pod, since_time=self._place.since, timestamps=True)
        async with aclosing(pieces):
            await self._read(pieces)

    async def _hears_of_restart(self) -> bool:
        deadline = time.monotonic() + _NEWS_LAG
        while not self._was_restarted:
            if time.monotonic() > deadline or self._over.is_set():
                return False
            await _either(self._over, _NEWS_STEP)
        return True

    @property
    def _was_restarted(self) -> bool:
        return self._restarts() > self._place.restarts

    async def _tell_earlier_runs(self) -> None:
        """Where the container was restarted, tell the rest of the log of its run before."""
        if not self._was_restarted:
            return
        restarts = self._restarts()
        if restarts > self._place.restarts + 1:
            self._warn_of_gap("The container was restarted several times")
        else:
            try:
                log = await self._client.read_log(
                    *self._pod, since_time=self._place.since, timestamps=True, previous=True
                )
            except (BadRequest, NotFound) as error:
                self._warn_of_gap(f"The log before the container's restart is gone: {error}")
            else:
                self._position.begin()
                self._position.feed(log)
                while self._position.pending:
                    self._tell(self._position.lines())
                    await asyncio.sleep(0)
                if not self._position.found:  # it is in the new run, which was told before the news
                    self._place.restarts = restarts
                    return
        self._tell(self._position.finish())
        self._place.restart(restarts)
        self._position.begin()

    def _tell(self, lines: list[Line]) -> None:
        if self._position.gap:
            self._position.gap = self._skips = False
            self._warn_of_gap("The log was rotated, or begun anew, while it could not be read")
        for text, moment in lines:
            self._tell_line(text, moment)

    def _warn_unless_whole(self, sentence: str) -> None:
        """Where the last connection was closed by the server, all was said before."""
        if not self._whole:
            self._warn_of_gap(sentence)

    def _warn_of_gap(self, sentence: str) -> None:
        self._warn(f"{sentence}. Lines of container {self._pod[2]!r} may be missing here.")

    def _may_pass(self, error: KubeError) -> bool:
        """Whether to go on after this error; says so where it may be for good."""
        # A container that has only just started may not have a log yet, which is a BadRequest.
        if error.transient or isinstance(error, BadRequest):
            return True
        # What worked before may work again: credentials are renewed, rights given back.
        lasting = isinstance(error, Forbidden) or not self._progress
        if not self._told_trouble:
            again = "" if lasting else " Trying again."
            self._warn(f"The log of container {self._pod[2]!r} cannot be read: {error}{again}")
        self._told_trouble = True
        return not lasting


async def _either(over: asyncio.Event, seconds: float) -> None:
    """Wait some seconds, or less if the container ends."""
    try:
        await asyncio.wait_for(over.wait(), seconds)
    except TimeoutError:
        return


async def tail_of(
    client: Client, name: str, namespace: str, container: str, lines: int
) -> list[str]:
    """The last lines of a container's log; none if there is no log to be read."""
    try:
        log = await client.read_log(
            name, namespace, container, tail_lines=lines, limit_bytes=_TAIL_BYTES
        )
    except KubeError:
        return []
    found = log.decode(errors="replace").removesuffix("\n").split("\n") if log else []
    return [line.rstrip("\r") for line in found[-lines:]]
