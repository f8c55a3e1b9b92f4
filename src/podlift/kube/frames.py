"""The frames that carry a remote command: one byte that names the channel, then the data.

https://kubernetes.io/docs/reference/using-api/websockets/ and the subprotocols v4 and
v5.channel.k8s.io, which differ in one thing: only v5 can close the command's standard input and
leave the rest open.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import msgspec

from podlift.kube.errors import Status, StreamError

V5 = "v5.channel.k8s.io"
V4 = "v4.channel.k8s.io"


class Channel(IntEnum):
    """What a frame's data is."""

    STDIN = 0
    STDOUT = 1
    STDERR = 2
    ERROR = 3
    """A Status that says how the command ended; nothing comes after it."""
    RESIZE = 4
    CLOSE = 255
    """The data is the number of the channel that is closed."""


@dataclass(frozen=True)
class Frame:
    """Some bytes of one channel."""

    channel: Channel
    data: bytes


def encode_frame(channel: Channel, data: bytes) -> bytes:
    """A frame as it goes over the wire."""
    return bytes([channel]) + data


def decode_frame(message: bytes) -> Frame:
    """A frame from the wire. Raises StreamError for a channel that nobody has defined."""
    try:
        return Frame(Channel(message[0]), message[1:])
    except (IndexError, ValueError) as error:
        raise StreamError(
            f"The stream carries a frame that is not one: {message[:40]!r}"
        ) from error


def close_frame(channel: Channel) -> bytes:
    """Says that nothing more comes on a channel (v5 only)."""
    return encode_frame(Channel.CLOSE, bytes([channel]))


def resize_frame(columns: int, rows: int) -> bytes:
    """Says how large the terminal is."""
    return encode_frame(Channel.RESIZE, msgspec.json.encode({"Width": columns, "Height": rows}))


def exit_code_of(status_json: bytes) -> int:
    """The command's exit code by the Status on the error channel.

    Raises StreamError where the command was not run, for example because there is no such program.
    """
    try:
        status = msgspec.json.decode(status_json, type=Status)
    except msgspec.DecodeError as error:
        raise StreamError(
            f"The stream ended with something unreadable: {status_json[:200]!r}"
        ) from error
    if status.status == "Success":
        return 0
    causes = status.details.causes if status.details else []
    for cause in causes:
        if cause.reason == "ExitCode" and cause.message.lstrip("-").isdigit():
            return int(cause.message)
    raise StreamError(
        f"The command could not be run: {status.message or 'the server does not say why'}"
    )
