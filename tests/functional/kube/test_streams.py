"""Followed logs, exec and attach, with a server that behaves as told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import pytest
from aiohttp import WSMsgType, web

from podlift.kube import Channel, ConnectionFailed, NotFound, StreamError

if TYPE_CHECKING:
    from tests.functional.kube.conftest import Connect, Handler, Serve

pytestmark = pytest.mark.functional

OK = b'\x03{"metadata":{},"status":"Success"}'
MISSING = {"kind": "Status", "message": 'pods "nope" not found', "reason": "NotFound", "code": 404}


def websocket(play: Callable[[web.WebSocketResponse], Awaitable[None]], *protocols: str) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(protocols=protocols or ("v5.channel.k8s.io",))
        await socket.prepare(request)
        await play(socket)
        return socket

    return handle


async def test_a_log_is_followed_as_it_comes_and_its_last_line_needs_no_newline(
    serve: Serve, connect: Connect
) -> None:
    go_on = asyncio.Event()

    async def log(request: web.Request) -> web.StreamResponse:
        assert request.query["follow"] == "true"
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"one\ntw")
        await go_on.wait()
        await response.write(b"o\n" + b"x" * 5000 + b"\nend")
        return response

    client = await connect(await serve(log))
    pieces = client.log_pieces("a", "ns", follow=True)
    assert await anext(pieces) == b"one\ntw"
    go_on.set()
    assert b"".join([piece async for piece in pieces]) == b"o\n" + b"x" * 5000 + b"\nend"


async def test_a_followed_log_that_breaks_off_is_not_taken_for_its_end(
    serve: Serve, connect: Connect
) -> None:
    async def log(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"one\n")
        await asyncio.sleep(0.05)
        assert request.transport is not None
        request.transport.abort()
        return response

    client = await connect(await serve(log))
    pieces = client.log_pieces("a", "ns", follow=True)
    assert await anext(pieces) == b"one\n"
    with pytest.raises(ConnectionFailed):
        await anext(pieces)


async def test_a_silent_log_is_given_up_only_when_asked(serve: Serve, connect: Connect) -> None:
    async def log(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await asyncio.Event().wait()
        return response

    client = await connect(await serve(log))
    with pytest.raises(ConnectionFailed, match="took too long"):
        await anext(client.log_pieces("a", "ns", follow=True, silence=0.1))


async def cat(socket: web.WebSocketResponse) -> None:
    await socket.send_bytes(b"\x01")
    await socket.send_bytes(b"\x02")
    async for message in socket:
        if message.data == b"\xff\x00":
            await socket.send_bytes(OK)
            return
        await socket.send_bytes(b"\x01" + message.data[1:])


async def test_input_goes_in_and_comes_back_out(serve: Serve, connect: Connect) -> None:
    client = await connect(await serve(websocket(cat)))
    data = bytes(range(256)) * 4096
    async with client.exec("a", "ns", ["cat"], stdin=True) as stream:
        done = await stream.communicate(data)
    assert (done.exit_code, done.stdout, done.stderr) == (0, data, b"")


async def test_a_command_and_its_flags_are_asked_for(serve: Serve, connect: Connect) -> None:
    asked: list[str] = []

    async def refuse(request: web.Request) -> web.Response:
        asked.append(request.raw_path)
        return web.json_response(MISSING, status=404)

    client = await connect(await serve(refuse))
    with pytest.raises(NotFound, match='pods "nope" not found'):
        async with client.exec("nope", "ns", ["sh", "-c", "a b&c"], container="base"):
            pass
    with pytest.raises(NotFound):
        async with client.attach("nope", "ns", stdin=True, tty=True):
            pass
    assert asked == [
        "/api/v1/namespaces/ns/pods/nope/exec"
        "?container=base&stdout=true&stderr=true&command=sh&command=-c&command=a+b%26c",
        "/api/v1/namespaces/ns/pods/nope/attach?stdin=true&stdout=true&tty=true",
    ]


async def test_output_and_exit_code(serve: Serve, connect: Connect) -> None:
    causes = {"causes": [{"reason": "ExitCode", "message": "3"}]}
    failure = {"status": "Failure", "reason": "NonZeroExitCode", "details": causes}

    async def play(socket: web.WebSocketResponse) -> None:
        await socket.send_bytes(b"\x01out\n")
        await socket.send_bytes(b"\x02err\n")
        await socket.send_bytes(b"\x03" + json.dumps(failure).encode())

    client = await connect(await serve(websocket(play)))
    async with client.exec("a", "ns", ["x"]) as stream:
        with pytest.raises(StreamError, match="not ended yet"):
            _ = stream.exit_code
        frames = [(frame.channel, frame.data) async for frame in stream]
        assert frames == [(Channel.STDOUT, b"out\n"), (Channel.STDERR, b"err\n")]
        assert stream.exit_code == 3
        assert await stream.wait() == 3


async def test_an_older_protocol_does_all_but_close_the_input(
    serve: Serve, connect: Connect
) -> None:
    async def play(socket: web.WebSocketResponse) -> None:
        message = await socket.receive()
        await socket.send_bytes(b"\x01" + message.data[1:])
        await socket.send_bytes(OK)

    client = await connect(await serve(websocket(play, "v4.channel.k8s.io")))
    async with client.exec("a", "ns", ["x"], stdin=True) as stream:
        with pytest.raises(StreamError, match=r"v4\.channel\.k8s\.io.*cannot be closed"):
            await stream.close_stdin()
        with pytest.raises(StreamError, match="cannot be closed"):
            await stream.communicate(b"x")
        await stream.write(b"hello")
        done = await stream.communicate()
        assert (done.exit_code, done.stdout) == (0, b"hello")


async def test_a_server_without_a_known_protocol_is_refused(serve: Serve, connect: Connect) -> None:
    async def play(socket: web.WebSocketResponse) -> None:
        await socket.receive()

    client = await connect(await serve(websocket(play, "v1.other")))
    with pytest.raises(StreamError, match="offers neither"):
        async with client.exec("a", "ns", ["x"]):
            pass


async def test_a_stream_that_breaks_off_has_no_exit_code(serve: Serve, connect: Connect) -> None:
    async def play(socket: web.WebSocketResponse) -> None:
        await socket.send_bytes(b"\x01half")

    client = await connect(await serve(websocket(play)))
    async with client.exec("a", "ns", ["x"]) as stream:
        with pytest.raises(StreamError, match="exec on pod ns/a broke off"):
            await stream.communicate()


async def test_a_command_that_ends_before_it_read_its_input(serve: Serve, connect: Connect) -> None:
    async def play(socket: web.WebSocketResponse) -> None:
        await socket.send_bytes(OK)

    client = await connect(await serve(websocket(play)))
    async with client.exec("a", "ns", ["true"], stdin=True) as stream:
        async with asyncio.timeout(10):
            done = await stream.communicate(b"x" * 20_000_000)
        assert done.exit_code == 0


async def test_a_terminal_is_resized(serve: Serve, connect: Connect) -> None:
    seen: list[bytes] = []

    async def play(socket: web.WebSocketResponse) -> None:
        message = await socket.receive()
        assert message.type is WSMsgType.BINARY
        seen.append(message.data)
        await socket.send_bytes(OK)

    client = await connect(await serve(websocket(play)))
    async with client.attach("a", "ns", stdin=True, tty=True) as stream:
        await stream.resize(120, 40)
        assert await stream.wait() == 0
    assert seen == [b'\x04{"Width":120,"Height":40}']


async def test_an_idle_stream_is_kept_alive(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("podlift.kube.streaming._PING_EVERY", 0.01)
    pings = 0

    async def play(request: web.Request) -> web.StreamResponse:
        nonlocal pings
        socket = web.WebSocketResponse(protocols=("v5.channel.k8s.io",), autoping=False)
        await socket.prepare(request)
        while pings < 3:
            message = await socket.receive()
            assert message.type is WSMsgType.PING
            pings += 1
        await socket.send_bytes(OK)
        return socket

    client = await connect(await serve(play))
    async with client.attach("a", "ns") as stream, asyncio.timeout(10):
        assert await stream.wait() == 0
    assert pings == 3
