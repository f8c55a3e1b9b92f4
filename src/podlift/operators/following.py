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
from podlift.kube.pacing import Backoff

Tell = Callable[[str], object]

_SILENCE_AFTER_END = 5.0
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
        """Follow until all is told that was written before ``ended`` was set.

        That the container ended must come from elsewhere: a connection that the server closes may
        have been closed for any reason. So the log is complete when a connection that was opened
        after the end has come to its own end. Never fails: what cannot be read is said by ``warn``.
        """
        backoff = Backoff(random.random)
        tries = _TRIES_AFTER_END
        while tries:
            last = ended.is_set()
            tries -= last
            try:
                complete = await self._one_connection(ended)
            except NotFound:
                break
            except KubeError as error:
                if not (error.transient or isinstance(error, BadRequest)):
                    self._warn(f"The log cannot be read: {error}")
                    return
                await _either(ended, backoff.next(error))
                continue
            if last and complete:
                break
            backoff.reset()
            await _either(ended, _STATE_LAG)
        else:
            self._warn("The end of the log could not be read; what is above may be incomplete.")
        for line in self._position.finish():
            self._tell(line)

    async def _one_connection(self, ended: asyncio.Event) -> bool:
        """Whether the server said that this was all; else it was given up for its silence."""
        reading = asyncio.ensure_future(self._read())
        end = asyncio.ensure_future(ended.wait())
        try:
            await asyncio.wait({reading, end}, return_when=asyncio.FIRST_COMPLETED)
            seen = -1
            while not reading.done() and seen < self._pieces:
                # Some kubelets never end the log of a container that was rotated meanwhile.
                seen = self._pieces
                await asyncio.wait({reading}, timeout=_SILENCE_AFTER_END)
            if not reading.done():
                return False
            reading.result()
            return True
        finally:
            end.cancel()
            reading.cancel()
            await asyncio.gather(reading, end, return_exceptions=True)

    async def _read(self) -> None:
        self._position.begin()
        name, namespace, container = self._pod
        lines = self._client.follow_log(
            name, namespace, container, since_time=self._position.since, timestamps=True
        )
        async for piece in lines:
            self._pieces += 1
            for line in self._position.take(piece):
                self._tell(line)


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
