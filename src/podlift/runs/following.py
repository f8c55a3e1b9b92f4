"""Follow a container's log to its end, without a gap and without a repeated line.

A connection may break at any byte. The next one asks for everything since a whole second, because
the server knows nothing finer, and what was told before is left out, line by line.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from podlift.kube import ApiError, BadRequest, Client, KubeError, NotFound
from podlift.kube.lines import LineSplitter
from podlift.kube.logs import LINE_LIMIT
from podlift.kube.pacing import Backoff

Tell = Callable[[str], object]

_SILENCE_AFTER_END = 2.0
_TRIES_AFTER_END = 5
_STATE_LAG = 1.0


class LogPosition:
    """Which lines of a log were told. Pure: bytes of the log API in, new lines out.

    Lines are recognised by their time and text. A time alone would not do: two lines may share it,
    and lines of stdout and stderr may be stored in another order than that of their times. For the
    same reason it looks back a second further than the last line.
    """

    def __init__(self) -> None:
        self._told: dict[int, Counter[int]] = {}
        self._before: Counter[int] = Counter()
        self._second = 0
        self._line_second = 0
        self._held: bytes | None = None
        self._continued = False

    @property
    def since(self) -> str | None:
        """From when the next connection must read; None for the beginning."""
        if not self._second:
            return None
        return datetime.fromtimestamp(self._second - 1, UTC).isoformat().replace("+00:00", "Z")

    def begin(self) -> None:
        """A connection was opened that reads since ``since``."""
        # What was held had no newline: cut off by the break, it comes again as a whole.
        self._held, self._continued = None, False
        self._before = sum(self._told.values(), Counter())

    def take(self, piece: bytes) -> Iterator[str]:
        """A piece of the log, cut at newlines. Tells what is new, once it is known to be whole."""
        yield from self.finish()
        if piece.endswith(b"\n"):
            yield from self._new(piece)
        else:
            self._held = piece

    def finish(self) -> Iterator[str]:
        """The log has ended: a last line without a newline is whole after all."""
        held, self._held = self._held, None
        if held is not None:
            yield from self._new(held)

    def _new(self, piece: bytes) -> Iterator[str]:
        text = piece
        if not self._continued:  # a line's later pieces carry no time
            stamp, _, rest = piece.partition(b" ")
            second = _second(stamp)
            if second is not None:
                text, self._line_second = rest, second
        self._continued = not piece.endswith(b"\n")
        key = hash(piece)
        if self._before[key] > 0:
            self._before[key] -= 1
            return
        self._remember(key)
        yield text.decode(errors="replace").rstrip("\r\n")

    def _remember(self, key: int) -> None:
        self._told.setdefault(self._line_second, Counter())[key] += 1
        if self._line_second > self._second:
            self._second = self._line_second
            oldest = self._second - 1
            self._told = {s: told for s, told in self._told.items() if s >= oldest}


def _second(stamp: bytes) -> int | None:
    """The whole second of an RFC 3339 time, in whatever time zone the node is."""
    try:
        moment = datetime.fromisoformat(stamp.decode("ascii"))
    except ValueError:
        return None
    return (moment - _EPOCH) // timedelta(seconds=1) if moment.tzinfo else None


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class LogFollower:
    """Tells the lines of one container's log as they come."""

    def __init__(
        self, client: Client, name: str, namespace: str, container: str, tell: Tell, warn: Tell
    ) -> None:
        self._client = client
        self._pod = (name, namespace, container)
        self._tell = tell
        self._warn = warn
        self._position = LogPosition()
        self._pieces = 0

    async def follow(self, ended: asyncio.Event) -> None:
        """Tell all that the container writes until ``ended`` is set, and what it wrote by then.

        That the container ended must come from elsewhere: a connection that the server closes may
        have been closed for any reason, and some are not closed though all was said. So after the
        end the log is read once more from where it is known. Never fails: what cannot be read is
        said by ``warn``.
        """
        backoff = Backoff(random.random)
        while not ended.is_set():
            delay = _STATE_LAG
            try:
                await self._one_connection(ended)
                backoff.reset()
            except NotFound:
                break
            except KubeError as error:
                if not _may_pass(error):
                    self._warn(f"The log cannot be read: {error}")
                    return
                delay = backoff.next(error)
            await _either(ended, delay)
        await self._tell_the_rest()

    async def _one_connection(self, ended: asyncio.Event) -> None:
        reading = asyncio.ensure_future(self._read())
        end = asyncio.ensure_future(ended.wait())
        try:
            await asyncio.wait({reading, end}, return_when=asyncio.FIRST_COMPLETED)
            seen = -1
            while not reading.done() and seen < self._pieces:
                seen = self._pieces
                await asyncio.wait({reading}, timeout=_SILENCE_AFTER_END)
            if reading.done():
                reading.result()
        finally:
            end.cancel()
            reading.cancel()
            await asyncio.gather(reading, end, return_exceptions=True)

    async def _read(self) -> None:
        self._position.begin()
        lines = self._client.follow_log(
            *self._pod, since_time=self._position.since, timestamps=True
        )
        async for piece in lines:
            self._pieces += 1
            self._tell_new(piece)

    async def _tell_the_rest(self) -> None:
        backoff = Backoff(random.random)
        for _ in range(_TRIES_AFTER_END):
            try:
                log = await self._client.read_log(
                    *self._pod, since_time=self._position.since, timestamps=True
                )
            except NotFound:
                break  # the pod is gone, and its log with it
            except KubeError as error:
                if not _may_pass(error):
                    self._warn(f"The log cannot be read: {error}")
                    break
                await asyncio.sleep(backoff.next(error))
            else:
                self._position.begin()
                for piece in _lines(log):
                    self._tell_new(piece)
                break
        else:
            self._warn("The end of the log could not be read; what is above may be incomplete.")
        for line in self._position.finish():
            self._tell(line)

    def _tell_new(self, piece: bytes) -> None:
        for line in self._position.take(piece):
            self._tell(line)


def _lines(log: bytes) -> list[bytes]:
    """Cut at newlines alone: a carriage return is part of a line, as in a progress bar."""
    splitter = LineSplitter(LINE_LIMIT)
    return [*splitter.feed(log), *filter(None, [splitter.rest()])]


def _may_pass(error: KubeError) -> bool:
    """A container that has only just started may not have a log yet, which is a BadRequest."""
    return error.transient or isinstance(error, BadRequest)


async def _either(ended: asyncio.Event, seconds: float) -> None:
    """Wait some seconds, or less if the container ends."""
    try:
        await asyncio.wait_for(ended.wait(), seconds)
    except TimeoutError:
        return


async def tail_of(
    client: Client, name: str, namespace: str, container: str, lines: int
) -> list[str]:
    """The last lines of a container's log; none if there is no log to be read."""
    try:
        log = await client.read_log(name, namespace, container, tail_lines=lines)
    except ApiError:
        return []
    return log.decode(errors="replace").splitlines()
