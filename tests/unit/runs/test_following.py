"""Telling every line of a log once, over connections that break anywhere."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podlift.runs.following import LogPosition

START = datetime(2026, 11, 22, 13, 10, 16, tzinfo=UTC)


@dataclass(frozen=True)
class Line:
    nanoseconds: int
    text: str
    zone: str = "Z"

    @property
    def stamp(self) -> str:
        seconds, rest = divmod(self.nanoseconds, 10**9)
        shown = START + timedelta(seconds=seconds, hours=2 if self.zone != "Z" else 0)
        return f"{shown:%Y-%m-%dT%H:%M:%S}.{rest:09d}{self.zone}"

    def since(self, moment: str | None) -> bool:
        if moment is None:
            return True
        asked = datetime.fromisoformat(moment)
        return START + timedelta(seconds=self.nanoseconds // 10**9) >= asked


def served(lines: list[Line], since: str | None, last_newline: bool = True) -> bytes:
    """What the log API answers: lines since a whole second, in the order of the file."""
    log = b"".join(f"{line.stamp} {line.text}\n".encode() for line in lines if line.since(since))
    return log if last_newline else log.removesuffix(b"\n")


def read(position: LogPosition, answer: bytes) -> list[str]:
    position.begin()
    told: list[str] = []
    for piece in answer.splitlines(keepends=True):
        told += position.take(piece)
    return told


TEXTS = st.text(st.characters(codec="ascii", exclude_characters="\r\n\v\f\x1c\x1d\x1e"), max_size=4)


@st.composite
def logs(draw: st.DrawFn) -> list[Line]:
    """Times rise, but neighbours may be stored in the other order, as stdout and stderr are."""
    now, lines = 0, []
    for step in draw(st.lists(st.sampled_from([0, 1, 1000, 400_000_000, 10**9]), max_size=12)):
        now += step
        lines.append(Line(max(0, now - draw(st.sampled_from([0, 0, 2, 500_000_000]))), draw(TEXTS)))
    return lines


@given(logs(), st.data(), st.booleans())
def test_every_line_is_told_once_wherever_connections_break(
    lines: list[Line], data: st.DataObject, last_newline: bool
) -> None:
    position = LogPosition()
    told: list[str] = []
    for _ in range(data.draw(st.integers(0, 4), label="breaks")):
        written = lines[: data.draw(st.integers(0, len(lines)), label="lines written")]
        # A line that ends the log without a newline does so on every connection.
        answer = served(written, position.since, last_newline or len(written) < len(lines))
        cut = data.draw(st.integers(0, len(answer)), label="cut")
        told += read(position, answer[:cut])
    told += read(position, served(lines, position.since, last_newline))
    told += position.finish()
    assert told == [line.text for line in lines]


def test_a_rotated_log_goes_on_with_what_is_left() -> None:
    lines = [Line(n, f"line {n}") for n in range(10)]
    position = LogPosition()
    told = read(position, served(lines[:6], None))
    told += read(position, served(lines[4:], position.since))
    assert told == [line.text for line in lines]


@pytest.mark.parametrize("zone", ["Z", "+02:00"])
def test_it_asks_for_a_whole_second_before_the_last_line(zone: str) -> None:
    position = LogPosition()
    read(position, served([Line(5_700_000_000, "a", zone)], None))
    assert position.since == "2026-11-22T13:10:20Z"


def test_it_begins_at_the_beginning() -> None:
    assert LogPosition().since is None


def test_a_line_without_newline_waits_until_it_is_known_to_be_whole() -> None:
    position = LogPosition()
    assert read(position, b"2026-11-22T13:10:16.1Z half") == []
    assert read(position, b"2026-11-22T13:10:16.1Z half and half") == []
    assert list(position.finish()) == ["half and half"]


def test_the_pieces_of_a_line_that_is_too_long_are_told_as_they_come() -> None:
    position = LogPosition()
    position.begin()
    told = [*position.take(b"2026-11-22T13:10:16.1Z aaa")]
    told += position.take(b"bbb")
    told += position.take(b"ccc\n")
    told += position.take(b"2026-11-22T13:10:16.2Z next\n")
    assert told == ["aaa", "bbb", "ccc", "next"]


def test_what_is_no_text_and_what_has_no_time_is_told_too() -> None:
    position = LogPosition()
    told = read(position, b"2026-11-22T13:10:16.1Z \xff\r\nno time here\n")
    assert told == ["�", "no time here"]
