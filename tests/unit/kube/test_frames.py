"""The frames of a remote command, against those of a real server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podlift.kube.errors import StreamError
from podlift.kube.frames import (
    Channel,
    close_frame,
    decode_frame,
    encode_frame,
    exit_code_of,
    resize_frame,
)

RECORDINGS = Path(__file__).parents[2] / "data" / "kube-recordings"
RECORDED: dict[str, dict[str, Any]] = {
    record["name"]: record
    for record in json.loads((RECORDINGS / "exec-and-attach.json").read_text())
}


def _closing_status(name: str) -> bytes:
    frames = RECORDED[name]["frames"]
    assert frames[-1]["channel"] == Channel.ERROR
    return str(frames[-1]["data"]).encode()


@pytest.mark.parametrize(
    ("name", "exit_code"),
    [
        ("exec success v5", 2),
        ("exec success v4", 0),
        ("exec exit 3", 3),
        ("exec stdin then close (v5 close frame 255,0)", 0),
        ("attach with stdin", 0),
    ],
)
def test_the_exit_code_is_read_from_the_closing_status(name: str, exit_code: int) -> None:
    assert exit_code_of(_closing_status(name)) == exit_code


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("exec no such command", "/no/such: no such file or directory"),
        ("exec on a finished container", "not found"),
    ],
)
def test_a_command_that_was_not_run_has_no_exit_code(name: str, words: str) -> None:
    with pytest.raises(StreamError, match=words):
        exit_code_of(_closing_status(name))


def test_unreadable_endings_are_errors() -> None:
    with pytest.raises(StreamError, match="unreadable"):
        exit_code_of(b"not json")
    with pytest.raises(StreamError, match="does not say why"):
        exit_code_of(b'{"status":"Failure"}')


def test_every_recorded_frame_goes_through_the_codec_unchanged() -> None:
    for record in RECORDED.values():
        for frame in record.get("frames", []):
            wire = bytes([frame["channel"]]) + frame["data"].encode()
            decoded = decode_frame(wire)
            assert encode_frame(decoded.channel, decoded.data) == wire


def test_standard_input_is_closed_as_recorded() -> None:
    frames = RECORDED["exec stdin then close (v5 close frame 255,0)"]["frames"]
    recorded = next(frame for frame in frames if frame["channel"] == 255)
    assert close_frame(Channel.STDIN) == b"\xff" + recorded["data"].encode()


def test_a_terminal_is_resized_in_the_servers_spelling() -> None:
    assert resize_frame(80, 24) == b'\x04{"Width":80,"Height":24}'


@given(st.sampled_from(Channel), st.binary())
def test_any_frame_survives_the_way(channel: Channel, data: bytes) -> None:
    frame = decode_frame(encode_frame(channel, data))
    assert (frame.channel, frame.data) == (channel, data)


@pytest.mark.parametrize("message", [b"", b"\x09hello"])
def test_frames_that_are_none_are_refused(message: bytes) -> None:
    with pytest.raises(StreamError, match="not one"):
        decode_frame(message)
