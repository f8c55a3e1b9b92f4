"""Where in a container's log one is: bytes of the log API in, the lines that are new out. Pure.

A connection may break at any byte, and the next one can ask for a whole second only. So it asks
for a little more than is needed, and what was told before is left out, by counting: a log grows at
its end alone, hence what was told are the first lines of every answer. Counted is from the line
with the latest time, because lines of stdout and stderr may be stored in another order than that
of their times. https://kubernetes.io/docs/concepts/cluster-administration/logging/
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import msgspec

from podlift.kube.logs import LINE_LIMIT

Line: TypeAlias = tuple[str, datetime | None]
"""A line without its newline, and when it was written. None: the line before goes on, or the node
has something to say that is not in the log."""

_AT_A_STRETCH = 500
_NANOSECONDS = len("2026-01-01T00:00:00.000000000Z")
_FRACTION = re.compile(r"\.(\d+)")


class Place(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Up to where a log was told: plain data, so that another process can go on from there.

    Times are texts in UTC with nine digits after the point, so that they compare as they are.
    """

    restarts: int = 0
    """How often the container had been restarted, for each run of it has a log of its own."""
    latest: str = ""
    """The latest time of all lines; empty while there is none."""
    at_latest: int = 0
    """How many lines have that very time."""
    after_latest: int = 0
    """How many lines with an earlier time come behind the last of those."""
    earliest: str = ""
    """The earliest time from there on."""
    parts: int = 0
    """How many parts were told of a line that is not at its end; 0 if the last one is."""

    @property
    def since(self) -> str | None:
        """From when a connection must read to find this place; None for the beginning."""
        if not self.earliest:
            return None
        # A second more, for lines that are stored late.
        whole = datetime.fromisoformat(self.earliest).replace(microsecond=0)
        return (whole - timedelta(seconds=1)).isoformat().replace("+00:00", "Z")

    def pass_line(self, time: str) -> None:
        """A line with this time is told."""
        if time > self.latest:
            self.latest = self.earliest = time
            self.at_latest, self.after_latest = 1, 0
        elif time == self.latest:
            self.at_latest, self.after_latest, self.earliest = self.at_latest + 1, 0, time
        else:
            self.after_latest += 1
            self.earliest = min(self.earliest, time)

    def restart(self, restarts: int) -> None:
        """The container runs anew, and its log begins anew."""
        self.restarts, self.latest, self.earliest = restarts, "", ""
        self.at_latest = self.after_latest = self.parts = 0


Places: TypeAlias = dict[str, Place]
"""The places in the logs of a pod's containers, by name."""


class PlaceLost(Exception):
    """What comes next in the log is not what comes after the place."""


class _Part(bytes):
    """What does not end its line: that goes on."""


class LogPosition:
    """Tells each line once, over any number of connections. ``place`` is kept current."""

    def __init__(self, place: Place | None = None) -> None:
        self.place = place or Place()
        self.gap = False
        """Whether lines may be missing before those that ``lines`` gave last."""
        self._odd = b""
        self.begin()

    def begin(self, *, skips: bool = True) -> None:
        """A connection was opened that reads since ``place.since``.

        Where the log no longer has the place, ``skips`` says whether to go on behind the gap;
        otherwise ``lines`` and ``finish`` raise ``PlaceLost`` and nothing counts as told.
        """
        self._skips = skips
        # What had no newline yet was cut off by the break, and comes again as a whole.
        self._rest = b""
        self._waiting: list[bytes] = []
        self._done = 0
        self._inside = False
        self._first = True
        self._searching = bool(self.place.latest)
        self._at_latest, self._after_latest = self.place.at_latest, self.place.after_latest
        self._old_parts = 0

    def feed(self, data: bytes) -> None:
        """A piece of the log, cut anywhere."""
        data = self._rest + data
        lines = data.split(b"\n")
        if len(data) > LINE_LIMIT:
            lines = [part for line in lines for part in _cut(line)]
        self._rest = lines.pop()
        self._waiting = self._waiting[self._done :] + lines
        self._done = 0

    @property
    def pending(self) -> bool:
        """Whether ``lines`` is to be called once more before the next ``feed``."""
        return self._done < len(self._waiting)

    def lines(self) -> list[Line]:
        """The new ones among the next few hundred lines; they count as told."""
        batch = self._waiting[self._done : self._done + _AT_A_STRETCH]
        self._done += len(batch)
        return self._new(batch)

    def finish(self) -> list[Line]:
        """The log has ended: a last line without a newline is whole after all."""
        rest, self._rest = self._rest, b""
        return self._new([rest]) if rest else []

    @property
    def found(self) -> bool:
        """Whether the place was found in what this connection has given so far."""
        return not self._searching

    @property
    def objection(self) -> str:
        """What the node said instead of a log, where that is all that came; else empty."""
        return _text(self._rest or self._odd) if self._searching else ""

    def _new(self, batch: list[bytes]) -> list[Line]:
        told: list[Line] = []
        for raw in batch:
            if self._inside:
                if self._go_on(raw):
                    told.append((_text(raw), None))
                continue
            stamped = _stamped(raw)
            if stamped is None:
                if self._is_new_oddity(raw):
                    told.append((_text(raw), None))
                continue
            time, moment, text = stamped
            self._first, self._inside = False, type(raw) is _Part
            if self._searching and self._was_told(time):
                continue
            self.place.pass_line(time)
            self.place.parts = int(self._inside)
            told.append((_text(text), moment))
        return told

    def _was_told(self, time: str) -> bool:
        place = self.place
        if time > place.latest:
            if not self._skips:
                raise PlaceLost
            # What comes before it in the log is not there any more.
            self._searching, self.gap, place.parts = False, True, 0
            return False
        if self._at_latest:
            self._at_latest -= time == place.latest
        else:
            self._after_latest -= 1
        if not (self._at_latest or self._after_latest):
            self._searching, self._old_parts = False, place.parts - 1
        return True

    def _go_on(self, raw: bytes) -> bool:
        """Whether the next part of a line is new."""
        self._inside = type(raw) is _Part
        if self._searching or not self.place.parts:
            return False  # of a line that was told to its end
        if self._old_parts > 0:
            self._old_parts -= 1
            return False
        self.place.parts = self.place.parts + 1 if self._inside else 0
        return True

    def _is_new_oddity(self, raw: bytes) -> bool:
        """Whether to tell what has no time: the end of a line that began before, or the node's
        excuse for not having a log, which it repeats on every connection."""
        repeated, self._first = self._first and raw == self._odd, False
        self._odd = raw
        return not (self._searching or repeated)


def _cut(line: bytes) -> list[bytes]:
    """A line in parts that do not depend on how it came, and never within a character."""
    parts: list[bytes] = []
    start = 0
    while len(line) - start > LINE_LIMIT:
        end = start + LINE_LIMIT
        while line[end] & 0xC0 == 0x80 and end > start + LINE_LIMIT - 4:
            end -= 1
        parts.append(_Part(line[start:end]))
        start = end
    return [*parts, line[start:] if parts else line]


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace").rstrip("\r")


def _stamped(raw: bytes) -> tuple[str, datetime, bytes] | None:
    """The time as it compares, the time, and the text; None without a time."""
    stamp, _, text = raw.partition(b" ")
    try:
        time = stamp.decode("ascii")
        moment = datetime.fromisoformat(time)
    except ValueError:
        return None
    if len(time) == _NANOSECONDS and time[-1] == "Z":
        return time, moment, text
    return None if moment.tzinfo is None else (_in_utc(time, moment), moment, text)


def _in_utc(time: str, moment: datetime) -> str:
    """The node writes times in its own zone."""
    fraction = _FRACTION.search(time)
    digits = fraction[1] if fraction else ""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{digits:0<9}Z"
