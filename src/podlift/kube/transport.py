"""HTTP to one API server over one aiohttp session: requests, streams, websockets."""

from __future__ import annotations

import io
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import lru_cache
from typing import Any, TypedDict
from urllib.parse import urlencode

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from podlift import __version__
from podlift.kube.access import Access
from podlift.kube.clocks import ClockCheck
from podlift.kube.connection import Connection
from podlift.kube.errors import (
    ConfigurationError,
    ConnectionFailed,
    Unauthorized,
    error_from_answer,
)
from podlift.kube.sockets import Keepalive, Sockets

logger = logging.getLogger(__name__)

Query = Sequence[tuple[str, str]]

_CONNECT_TIMEOUT = 10.0

# From here on aiohttp warns of bytes.
_LARGE_BODY = 1 << 20


class _Sending(TypedDict):
    """What goes into every call of aiohttp, whatever is asked."""

    headers: CIMultiDict[str]
    ssl: Any
    server_hostname: str | None
    proxy: str | None


class Transport:
    """Sends requests as the connection's user; after a 401 it asks once for new credentials.

    Nothing else is ever sent twice: whether a request may be repeated is for the caller to know.

    There is no limit on the number of TCP connections, because watches and followed logs hold
    theirs for hours and must not starve a create; whoever starts many requests bounds them.
    """

    def __init__(
        self, connection: Connection, request_timeout: float, keepalive: Keepalive | None
    ) -> None:
        self.connection = connection
        self._timeout = aiohttp.ClientTimeout(
            total=request_timeout, sock_connect=min(_CONNECT_TIMEOUT, request_timeout)
        )
        self._session: aiohttp.ClientSession | None = None
        self._sockets = Sockets(keepalive)
        self._clock = ClockCheck()

    async def open(self) -> None:
        """Makes the session; must run in the event loop that will use it."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, socket_factory=self._sockets.make),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": f"podlift/{__version__}"},
            timeout=self._timeout,
            raise_for_status=_judge,
            read_bufsize=2**20,
        )

    async def close(self) -> None:
        """Ends everything that is under way."""
        if self._session is not None:
            await self._session.close()
            await self._sockets.end()

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Query = (),
        body: bytes | None = None,
        content_type: str = "application/json",
    ) -> bytes:
        """The whole answer. Raises ApiError, ConnectionFailed, ConfigurationError."""
        access = await self.connection.current()
        try:
            return await self._request(access, method, path, query, body, content_type)
        except Unauthorized as refusal:
            access = await self._renewed(access, refusal)
            return await self._request(access, method, path, query, body, content_type)

    async def _request(
        self,
        access: Access,
        method: str,
        path: str,
        query: Query,
        body: bytes | None,
        content_type: str,
    ) -> bytes:
        sending = self._sending(access, Accept="application/json")
        if body is not None:
            sending["headers"]["Content-Type"] = content_type
        with self.translated(f"{method} {path}"):
            async with self._live.request(
                method,
                _url(access, path, query),
                data=_sendable(body),
                allow_redirects=False,
                **sending,
            ) as response:
                self._clock.heard(response.headers.get("Date"))
                return await response.read()

    @asynccontextmanager
    async def stream(
        self, path: str, *, query: Query = (), silence: float | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """The answer to a GET in pieces as they come, for as long as the server sends.

        `silence` is how many seconds may pass between two pieces before ConnectionFailed is raised.
        """
        access = await self.connection.current()
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=self._timeout.sock_connect, sock_read=silence
        )
        try:
            response = await self._open_stream(access, path, query, timeout)
        except Unauthorized as refusal:
            access = await self._renewed(access, refusal)
            response = await self._open_stream(access, path, query, timeout)
        try:
            yield self._pieces(response, f"GET {path}")
        finally:
            response.close()

    async def _open_stream(
        self, access: Access, path: str, query: Query, timeout: aiohttp.ClientTimeout
    ) -> aiohttp.ClientResponse:
        with self.translated(f"GET {path}"):
            return await self._live.get(
                _url(access, path, query),
                timeout=timeout,
                allow_redirects=False,
                **self._sending(access, Accept="application/json, */*"),
            )

    async def websocket(
        self, path: str, *, query: Query, protocols: Sequence[str]
    ) -> aiohttp.ClientWebSocketResponse:
        """A websocket in one of `protocols`, the best first. A refused handshake is an ApiError."""
        access = await self.connection.current()
        try:
            return await self._open_websocket(access, path, query, protocols)
        except Unauthorized as refusal:
            access = await self._renewed(access, refusal)
            return await self._open_websocket(access, path, query, protocols)

    async def _open_websocket(
        self, access: Access, path: str, query: Query, protocols: Sequence[str]
    ) -> aiohttp.ClientWebSocketResponse:
        with self.translated(f"GET {path}"):
            websocket: aiohttp.ClientWebSocketResponse = await self._live.ws_connect(
                _url(access, path, query),
                protocols=protocols,
                max_msg_size=0,
                **self._sending(access),
            )
            return websocket

    async def _renewed(self, refused: Access, refusal: Unauthorized) -> Access:
        """Other credentials than the refused ones, or the refusal again where there are none."""
        access = await self.connection.renew(refused)
        if access.same_credentials(refused):
            raise refusal
        return access

    async def _pieces(self, response: aiohttp.ClientResponse, request: str) -> AsyncIterator[bytes]:
        while True:
            with self.translated(request):
                piece = await response.content.readany()
            if not piece:
                return
            yield piece

    @contextmanager
    def translated(self, request: str) -> Iterator[None]:
        """Turns what aiohttp raises into our errors, with the request and the server named."""
        server, source = self.connection.server, self.connection.source
        try:
            yield
        except aiohttp.ClientConnectorCertificateError as error:
            raise ConfigurationError(
                f"{server} shows a certificate that {source} does not vouch for: "
                f"{error.certificate_error}. Is it the right cluster, and the "
                "certificate-authority of today?"
            ) from error
        except aiohttp.InvalidURL as error:
            raise ConfigurationError(f"{server} is not a usable address: {error}") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ConnectionFailed(
                f"{request} got no whole answer from {server} ({source}): {_words(error)}"
            ) from error

    def _sending(self, access: Access, **headers: str) -> _Sending:
        return {
            "headers": CIMultiDict([*access.headers, *headers.items()]),
            "ssl": self.connection.ssl_context,
            "server_hostname": access.tls.server_name,
            "proxy": self.connection.proxy,
        }

    @property
    def _live(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            raise RuntimeError("a Client works inside its `async with` block only")
        return self._session


def _words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "it took too long"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "the connection broke in the middle"
    return str(error) or type(error).__name__


async def _judge(response: aiohttp.ClientResponse) -> None:
    """Called by aiohttp on every answer, also on a refused handshake, whose body it hides."""
    for warning in response.headers.getall("Warning", ()):
        _pass_on(warning)
    if response.status < 300:
        return
    body = await response.read()
    raise error_from_answer(
        response.status, body, response.headers, f"{response.method} {response.url.path}"
    )


@lru_cache(maxsize=256)
def _pass_on(warning: str) -> None:
    """Logs what the server wants people to know, for example an unknown field; each text once.

    https://kubernetes.io/blog/2020/09/03/warnings/
    """
    logger.warning("The Kubernetes API server warns: %s", warning)


def _sendable(body: bytes | None) -> bytes | io.BytesIO | None:
    """A large body goes out in parts, so that the event loop is not held up by a single write."""
    return io.BytesIO(body) if body is not None and len(body) > _LARGE_BODY else body


def _url(access: Access, path: str, query: Query) -> URL:
    text = f"{access.server}{path}"
    return URL(f"{text}?{urlencode(query)}" if query else text, encoded=True)
