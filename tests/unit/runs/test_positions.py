"""Telling every line of a log once, over connections that break anywhere."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from podlift.kube.logs import LINE_LIMIT
from podlift.runs.positions import LogPosition, Place

START = datetime(2026, 11, 22, 13, 10, 16, tzinfo=UTC)
STAMP = b"2026-11-22T13:10:16.100000000Z "


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


def served(lines: Iterable[Line], since: str | None, last_newline: bool = True) -> bytes:
    """What the log API answers: lines since a whole second, in the order of the file."""
    log = b"".join(f"{line.stamp} {line.text}\n".encode() for line in lines if line.since(since))
    return log if last_newline else log.removesuffix(b"\n")


def read(position: LogPosition, *pieces: bytes) -> list[str]:
    """A new connection on which these pieces come."""
    position.begin()
    return go_on(position, *pieces)


def go_on(position: LogPosition, *pieces: bytes) -> list[str]:
    told: list[str] = []
    for piece in pieces:
        position.feed(piece)
        while position.pending:
            told += [text for text, _ in position.lines()]
    return told


def finish(position: LogPosition) -> list[str]:
    return [text for text, _ in position.finish()]


def elsewhere(position: LogPosition) -> LogPosition:
    """The position as another process restores it."""
    saved = json.dumps(msgspec.to_builtins(position.place))
    return LogPosition(msgspec.convert(json.loads(saved), Place))


TEXTS = st.text(st.characters(codec="ascii", exclude_characters="\r\n"), max_size=2)


@st.composite
def logs(draw: st.DrawFn) -> list[Line]:
    """Times rise or stay; neighbours may be stored the other way round, as of two streams."""
    now, lines = 100 * 10**9, []
    steps = st.sampled_from([0, 0, 1, 1000, 400_000_000, 10**9])
    for step in draw(st.lists(steps, max_size=16)):
        now += step
        lines.append(Line(now - draw(st.sampled_from([0, 0, 2, 500_000_000])), draw(TEXTS)))
    return lines


def cut_up(data: st.DataObject, log: bytes) -> list[bytes]:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(log)), max_size=3), label="cuts"))
    return [log[a:b] for a, b in zip([0, *cuts], [*cuts, len(log)], strict=True)]


@given(logs(), st.data(), st.booleans())
def test_every_line_is_told_once_wherever_connections_break(
    lines: list[Line], data: st.DataObject, last_newline: bool
) -> None:
    position = LogPosition()
    told: list[str] = []
    for _ in range(data.draw(st.integers(0, 4), label="breaks")):
        written = lines[: data.draw(st.integers(0, len(lines)), label="lines written")]
        # A line that ends the log without a newline does so on every connection.
        answer = served(written, position.place.since, last_newline or len(written) < len(lines))
        cut = data.draw(st.integers(0, len(answer)), label="cut")
        told += read(position, *cut_up(data, answer[:cut]))
        if data.draw(st.booleans(), label="another process"):
            position = elsewhere(position)
    told += read(position, served(lines, position.place.since, last_newline))
    told += finish(position)
    assert told == [line.text for line in lines]
    assert not position.gap


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30), st.sampled_from([1, 10**8]))
def test_what_a_rotation_took_away_is_known_to_be_missing(
    told_before: int, first_kept: int, more: int, step: int
) -> None:
    lines = [Line(n * step, f"line {n}") for n in range(max(told_before, first_kept) + more + 1)]
    position = LogPosition()
    told = read(position, served(lines[:told_before], None))
    told += read(position, served(lines[first_kept:], position.place.since))
    missing = [line.text for line in lines[told_before:first_kept]]
    assert told == [line.text for line in lines if line.text not in missing]
    assert position.gap or not (missing and told_before)


def test_after_the_clock_was_set_back_it_goes_on() -> None:
    lines = [Line(second * 10**9, f"at {second}") for second in (100, 101, 70, 71, 72, 103)]
    for told_before in (3, 4, 5, 6):
        position = LogPosition()
        told = read(position, served(lines[:told_before], None))
        told += read(elsewhere(position), served(lines, position.place.since))
        assert told == [line.text for line in lines]


def test_a_place_is_small() -> None:
    position = LogPosition()
    read(position, served((Line(n, "x") for n in range(100_000)), None))
    assert len(json.dumps(msgspec.to_builtins(position.place))) < 300


@pytest.mark.parametrize("zone", ["Z", "+02:00"])
def test_it_asks_for_a_whole_second_before_the_last_line(zone: str) -> None:
    position = LogPosition()
    read(position, served([Line(5_700_000_000, "a", zone)], None))
    assert position.place.since == "2026-11-22T13:10:20Z"
    assert position.place.latest == "2026-11-22T13:10:21.700000000Z"


def test_it_begins_at_the_beginning() -> None:
    assert LogPosition().place.since is None


def test_a_line_comes_with_its_time() -> None:
    position = LogPosition()
    position.feed(STAMP + b"a\n")
    assert position.lines() == [("a", datetime(2026, 11, 22, 13, 10, 16, 100_000, UTC))]


def test_a_line_without_newline_waits_until_it_is_known_to_be_whole() -> None:
    position = LogPosition()
    assert read(position, STAMP + b"half") == []
    assert read(position, STAMP + b"half and half") == []
    assert finish(position) == ["half and half"]


class TestLinesThatAreTooLong:
    LINE = bytes(range(97, 123)) * (3 * LINE_LIMIT // 26)

    def test_come_in_parts_as_they_are_written(self) -> None:
        position = LogPosition()
        assert len(read(position, STAMP + self.LINE[: LINE_LIMIT + 1])) == 1
        rest = self.LINE[LINE_LIMIT + 1 :]
        assert len(go_on(position, rest)) > 0
        assert go_on(position, b"\n" + STAMP + b"next\n")[-1] == "next"

    @pytest.mark.parametrize("broken_at", [0, 1, LINE_LIMIT, LINE_LIMIT + 100, 2 * LINE_LIMIT + 50])
    def test_are_told_once_however_they_come(self, broken_at: int) -> None:
        log = STAMP + b"before\n" + STAMP + self.LINE + b"\n" + STAMP + b"next\n"
        position = LogPosition()
        told = read(position, log[:broken_at])
        position = elsewhere(position)
        chunks = [log[start : start + 70_000] for start in range(0, len(log), 70_000)]
        told += read(position, *chunks)
        assert "".join(told) == "before" + self.LINE.decode() + "next"
        assert max(map(len, told)) <= LINE_LIMIT
        assert read(elsewhere(position), *chunks) == []

    def test_have_a_time_once(self) -> None:
        position = LogPosition()
        position.feed(STAMP + self.LINE + b"\n")
        first, *others = position.lines()
        assert first[1] is not None
        assert others
        assert {moment for _, moment in others} == {None}

    def test_are_not_cut_within_a_character(self) -> None:
        position = LogPosition()
        log = STAMP + "ä".encode() * LINE_LIMIT + b"\n"
        assert "".join(read(position, log)) == "ä" * LINE_LIMIT

    def test_take_little_memory(self) -> None:
        position = LogPosition()
        position.feed(STAMP)
        for _ in range(100):
            position.feed(b"x" * LINE_LIMIT)
            held = len(position._rest) + sum(map(len, position._waiting))
            assert held <= 3 * LINE_LIMIT
            position.lines()


def test_what_is_no_text_is_told_too() -> None:
    assert read(LogPosition(), STAMP + b"\xff\xfe\n") == ["\ufffd\ufffd"]


def test_a_progress_bar_is_one_line() -> None:
    assert read(LogPosition(), STAMP + b"1%\r2%\r\n") == ["1%\r2%"]


def test_what_the_node_says_instead_of_a_log_is_told_once() -> None:
    position = LogPosition()
    assert read(position, b"unable to retrieve container logs\n") != []
    assert read(position, b"unable to retrieve container logs\n") == []
    assert read(position, STAMP + b"now\n") == ["now"]


def test_the_end_of_a_line_that_began_before_is_not_told_again() -> None:
    position = LogPosition()
    read(position, STAMP + b"a line\n")
    assert read(position, b"of a line\n" + STAMP + b"a line\n") == []
    assert position.objection == ""


def test_a_log_that_the_node_no_longer_has_is_noticed() -> None:
    position = LogPosition()
    read(position, STAMP + b"a line\n")
    assert read(position, b"unable to retrieve container logs\n") == []
    assert position.objection == "unable to retrieve container logs"


def test_after_a_restart_the_log_begins_anew() -> None:
    position = LogPosition()
    read(position, STAMP + b"a line\n")
    position.place.restart(1)
    assert position.place.since is None
    assert read(position, STAMP + b"a line\n") == ["a line"]
    assert not position.gap
