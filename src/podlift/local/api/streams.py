"""exec and attach: a process's streams as channels of one websocket.

The protocols are ``v4.channel.k8s.io`` and ``v5.channel.k8s.io``: every message begins with the
number of its channel. See
https://kubernetes.io/docs/reference/command-line-tools-reference/ and KEP-4006.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from aiohttp import WSMsgType, web

from podlift.local import errors
from podlift.local.kubelet.contract import RunningProcess

_STDIN, _STDOUT, _STDERR, _STATUS, _RESIZE, _CLOSE = 0, 1, 2, 3, 4, 255
PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")

#: A message to a client is no longer than this.
_CHUNK = 32 << 10

#: Terminal sizes come rarely; input in messages of any length.
_MOST_MESSAGE = 4 << 20


@dataclass(frozen=True, slots=True)
class Streams:
    """The streams that a client asked for."""

    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool


async def pump(
    request: web.BaseRequest,
    streams: Streams,
    start: Callable[[], Awaitable[RunningProcess]],
    *,
    attached: bool = False,
) -> web.StreamResponse:
    """Connect the client's websocket with a process until one of them ends."""
    if not streams.stdin and not streams.stdout and not streams.stderr:
        raise errors.BadRequest("you must specify at least 1 of stdin, stdout, stderr")
    offered = [one.strip() for one in request.headers.get("Sec-WebSocket-Protocol", "").split(",")]
    chosen = next((one for one in PROTOCOLS if one in offered), None)
    if chosen is None:
        raise errors.Forbidden(
            f"unable to upgrade: none of the protocols {', '.join(filter(None, offered)) or '-'} "
            f"is served; offer {' or '.join(PROTOCOLS)}"
        )
    socket = web.WebSocketResponse(protocols=(chosen,), max_msg_size=_MOST_MESSAGE)
    await socket.prepare(request)
    try:
        # Real kubelets open each output channel with an empty message.
        if streams.stdout:
            await socket.send_bytes(bytes([_STDOUT]))
        if streams.stderr and not streams.tty:
            await socket.send_bytes(bytes([_STDERR]))
        status = await _run(socket, streams, start, attached)
        await socket.send_bytes(bytes([_STATUS]) + msgspec.json.encode(status))
        await socket.close()
    except ConnectionResetError:
        # The client has gone; the process was seen to by _run.
        return socket
    return socket


async def _run(
    socket: web.WebSocketResponse,
    streams: Streams,
    start: Callable[[], Awaitable[RunningProcess]],
    attached: bool,
) -> dict[str, Any]:
    try:
        process = await start()
    except errors.ApiStatus as error:
        return _not_started(error)
    incoming = asyncio.create_task(_receive(socket, process, streams))
    outgoing = asyncio.create_task(_send_all(socket, process, streams))
    ended = False
    try:
        await asyncio.wait({incoming, outgoing}, return_when=asyncio.FIRST_COMPLETED)
        if not outgoing.done():
            # The websocket was closed by the client before the process ended.
            raise ConnectionResetError
        await outgoing
        code = await process.wait()
        ended = True
    finally:
        incoming.cancel()
        outgoing.cancel()
        await asyncio.gather(incoming, outgoing, return_exceptions=True)
        if not ended or attached:
            await process.kill()
    return {"metadata": {}, "status": "Success"} if attached else _exit_status(code)


async def _receive(
    socket: web.WebSocketResponse, process: RunningProcess, streams: Streams
) -> None:
    """Hand on what the client sends, until it closes the websocket."""
    async for message in socket:
        if message.type not in (WSMsgType.BINARY, WSMsgType.TEXT) or not message.data:
            continue
        data = message.data if isinstance(message.data, bytes) else message.data.encode()
        channel, payload = data[0], data[1:]
        if channel == _STDIN and streams.stdin:
            await process.write_stdin(payload)
        elif channel == _CLOSE and payload[:1] == bytes([_STDIN]):
            await process.close_stdin()
        elif channel == _RESIZE:
            await _resize(process, payload)


async def _resize(process: RunningProcess, payload: bytes) -> None:
    size = msgspec.json.decode(payload, type=dict[str, int])
    await process.resize(size.get("Width", 80), size.get("Height", 24))


async def _send_all(
    socket: web.WebSocketResponse, process: RunningProcess, streams: Streams
) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(_send(socket, _STDOUT, process.stdout, streams.stdout))
        group.create_task(_send(socket, _STDERR, process.stderr, streams.stderr))


async def _send(
    socket: web.WebSocketResponse, channel: int, chunks: AsyncIterator[bytes], wanted: bool
) -> None:
    head = bytes([channel])
    async for chunk in chunks:
        if not wanted:
            continue
        for start in range(0, len(chunk), _CHUNK):
            await socket.send_bytes(head + chunk[start : start + _CHUNK])


def _exit_status(code: int) -> dict[str, Any]:
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    return {
        "metadata": {},
        "status": "Failure",
        "message": "command terminated with non-zero exit code: "
        f"command terminated with exit code {code}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


def _not_started(error: errors.ApiStatus) -> dict[str, Any]:
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"Internal error occurred: {error.message}",
        "reason": "InternalError",
        "details": {"causes": [{"message": error.message}]},
        "code": 500,
    }
