"""Exec and attach: a command's streams over a websocket.

https://kubernetes.io/docs/reference/using-api/websockets/
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import aiohttp

from podlift.kube.errors import ConnectionFailed, StreamError
from podlift.kube.frames import (
    V4,
    V5,
    Channel,
    Frame,
    close_frame,
    decode_frame,
    encode_frame,
    exit_code_of,
    resize_frame,
)
from podlift.kube.resources import PODS
from podlift.kube.transport import Transport

# Small enough for every server's limit on a message, large enough to keep the line busy.
_WRITE_SIZE = 1 << 18

# Proxies and load balancers hang up on a line that is idle for a minute or so. No answer is waited
# for: it may be stuck behind output that nobody reads yet. TCP keepalive finds a dead peer.
_PING_EVERY = 30.0


@dataclass(frozen=True)
class Completed:
    """A remote command that has ended."""

    exit_code: int
    stdout: bytes
    stderr: bytes


class RemoteStream:
    """The streams of a command in a container.

    Iterate over it for the output, until the command ends; then `exit_code` is known. Output that
    nobody reads holds the command up, as with a pipe.
    """

    def __init__(
        self, socket: aiohttp.ClientWebSocketResponse, transport: Transport, request: str
    ) -> None:
        self._socket = socket
        self._transport = transport
        self._request = request
        self._exit_code: int | None = None

    @property
    def exit_code(self) -> int:
        """How the command ended. Raises StreamError while it has not, as far as we have read.

        For attach it is 0 when the container ends, whatever the container's own exit code, which is
        found in the pod's status.
        """
        if self._exit_code is None:
            raise StreamError(f"{self._request} has not ended yet, so there is no exit code")
        return self._exit_code

    async def __aiter__(self) -> AsyncIterator[Frame]:
        """Output as it comes: frames of STDOUT and STDERR.

        Raises StreamError when the command could not be run, or when the stream ends with no word
        on how the command ended.
        """
        while self._exit_code is None:
            frame = await self._receive()
            if frame.channel is Channel.ERROR:
                self._exit_code = exit_code_of(frame.data)
            elif frame.data and frame.channel in (Channel.STDOUT, Channel.STDERR):
                yield frame

    async def write(self, data: bytes) -> None:
        """Sends to the command's standard input. Raises ConnectionFailed after its end."""
        for start in range(0, len(data), _WRITE_SIZE):
            await self._send(encode_frame(Channel.STDIN, data[start : start + _WRITE_SIZE]))

    async def close_stdin(self) -> None:
        """Tells the command that its input has ended.

        Raises StreamError where the server cannot pass that on: Kubernetes before 1.30.
        """
        self._require_v5()
        await self._send(close_frame(Channel.STDIN))

    async def resize(self, columns: int, rows: int) -> None:
        """Sets the size of the command's terminal."""
        await self._send(resize_frame(columns, rows))

    async def wait(self) -> int:
        """Waits for the command's end, lets go of its output, and gives its exit code."""
        async for _ in self:
            pass
        return self.exit_code

    async def communicate(self, data: bytes | None = None) -> Completed:
        """Sends `data` as the whole input, reads the whole output, and waits for the end."""
        output: dict[Channel, bytearray] = {
            Channel.STDOUT: bytearray(),
            Channel.STDERR: bytearray(),
        }
        async with self._writing(data):
            async for frame in self:
                output[frame.channel] += frame.data
        return Completed(
            self.exit_code, bytes(output[Channel.STDOUT]), bytes(output[Channel.STDERR])
        )

    async def close(self) -> None:
        """Lets go of the stream. Whether a running command goes on is up to the server."""
        await self._socket.close()

    @asynccontextmanager
    async def _writing(self, data: bytes | None) -> AsyncIterator[None]:
        """Writes beside the reading, because a command may wait for its output to be taken."""
        if data is None:
            yield
            return
        self._require_v5()
        task = asyncio.create_task(self._write_all(data))
        try:
            yield
        finally:
            # A command may end without having read all its input; the rest is of no use to anybody.
            task.cancel()
            with suppress(asyncio.CancelledError, ConnectionFailed):
                await task

    async def _write_all(self, data: bytes) -> None:
        await self.write(data)
        await self.close_stdin()

    def _require_v5(self) -> None:
        if self._socket.protocol != V5:
            raise StreamError(
                f"{self._request}: the server speaks {self._socket.protocol}, in which a "
                f"command's input cannot be closed; from Kubernetes 1.30 on it can, by {V5}."
            )

    async def _send(self, frame: bytes) -> None:
        with self._transport.translated(self._request):
            await self._socket.send_bytes(frame)

    async def _receive(self) -> Frame:
        with self._transport.translated(self._request):
            message = await self._socket.receive()
        if message.type is aiohttp.WSMsgType.BINARY:
            return decode_frame(message.data)
        if message.type is aiohttp.WSMsgType.TEXT:
            return decode_frame(message.data.encode())
        raise StreamError(
            f"{self._request} broke off (websocket close code {self._socket.close_code}) before it "
            "was said how the command ended; the command may be running still."
        )


class Streams:
    """What a Client can do with running containers."""

    _transport: Transport

    @asynccontextmanager
    async def exec(
        self,
        name: str,
        namespace: str,
        command: Sequence[str],
        *,
        container: str | None = None,
        stdin: bool = False,
        tty: bool = False,
    ) -> AsyncIterator[RemoteStream]:
        """Runs a command in a running container. With `tty` all output comes on STDOUT.

        Raises NotFound for an unknown pod, BadRequest for an unknown container.
        """
        query = [*_stream_query(container, stdin, tty), *(("command", word) for word in command)]
        async with self._open_stream(name, namespace, "exec", query) as stream:
            yield stream

    @asynccontextmanager
    async def attach(
        self,
        name: str,
        namespace: str,
        *,
        container: str | None = None,
        stdin: bool = False,
        tty: bool = False,
    ) -> AsyncIterator[RemoteStream]:
        """Joins the streams of a container's own process. Earlier output is in its log.

        `stdin` needs a container that was created with `stdin: true`. Raises as `exec` does.
        """
        query = _stream_query(container, stdin, tty)
        async with self._open_stream(name, namespace, "attach", query) as stream:
            yield stream

    @asynccontextmanager
    async def _open_stream(
        self, name: str, namespace: str, subresource: str, query: list[tuple[str, str]]
    ) -> AsyncIterator[RemoteStream]:
        path = PODS.path(namespace, name, subresource)
        socket = await self._transport.websocket(path, query=query, protocols=(V5, V4))
        try:
            if socket.protocol not in (V5, V4):
                raise StreamError(f"GET {path}: the server offers neither {V5} nor {V4}.")
            async with _kept_alive(socket):
                request = f"{subresource} on pod {namespace}/{name}"
                yield RemoteStream(socket, self._transport, request)
        finally:
            await socket.close()


@asynccontextmanager
async def _kept_alive(socket: aiohttp.ClientWebSocketResponse) -> AsyncIterator[None]:
    async def ping() -> None:
        while not socket.closed:
            await asyncio.sleep(_PING_EVERY)
            await socket.ping()

    task = asyncio.create_task(ping())
    try:
        yield
    finally:
        task.cancel()
        # Whoever reads or writes is told that the line is gone; a ping need not say it as well.
        with suppress(asyncio.CancelledError, ConnectionResetError):
            await task


def _stream_query(container: str | None, stdin: bool, tty: bool) -> list[tuple[str, str]]:
    flags = {"stdin": stdin, "stdout": True, "stderr": not tty, "tty": tty}
    query = [(flag, "true") for flag, wanted in flags.items() if wanted]
    return [("container", container), *query] if container else query
