"""Lines come out as they went in, however the stream was chopped up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from podlift.kube.lines import LineSplitter

TEXT = st.lists(st.sampled_from([b"a", b"bb", b"\n", b"\r", b"xyz", b"\n\n"])).map(b"".join)


def split(pieces: list[bytes], limit: int | None = None) -> list[bytes]:
    splitter = LineSplitter(limit)
    lines = [line for piece in pieces for line in splitter.feed(piece)]
    return [*lines, rest] if (rest := splitter.rest()) else lines


@given(st.lists(TEXT), st.none() | st.integers(min_value=1, max_value=6))
def test_nothing_is_lost_or_added(pieces: list[bytes], limit: int | None) -> None:
    assert b"".join(split(pieces, limit)) == b"".join(pieces)


@given(st.lists(TEXT), st.none() | st.integers(min_value=1, max_value=6))
def test_where_the_stream_was_cut_makes_no_difference(
    pieces: list[bytes], limit: int | None
) -> None:
    assert split(pieces, limit) == split([b"".join(pieces)], limit)


@given(st.lists(TEXT), st.integers(min_value=1, max_value=6))
def test_a_part_is_never_longer_than_the_limit_nor_empty(pieces: list[bytes], limit: int) -> None:
    parts = split(pieces, limit)
    assert all(0 < len(part) <= limit for part in parts)
    assert all(part.endswith(b"\n") or len(part) == limit for part in parts[:-1])


@given(st.lists(TEXT))
def test_without_a_limit_every_newline_ends_a_line(pieces: list[bytes]) -> None:
    assert split(pieces) == b"".join(pieces).splitlines(keepends=True) or b"\r" in b"".join(pieces)
    assert all(line.count(b"\n") <= 1 and b"\n" not in line[:-1] for line in split(pieces))


def test_a_line_is_given_as_soon_as_it_is_whole() -> None:
    splitter = LineSplitter()
    assert splitter.feed(b"one\ntw") == [b"one\n"]
    assert splitter.feed(b"o\n\nth") == [b"two\n", b"\n"]
    assert splitter.rest() == b"th"
    assert splitter.rest() == b""


def test_an_endless_line_is_given_in_parts_before_it_ends() -> None:
    splitter = LineSplitter(limit=4)
    assert splitter.feed(b"abcdefghij") == [b"abcd", b"efgh"]
    assert splitter.feed(b"k\nl\n") == [b"ijk\n", b"l\n"]
