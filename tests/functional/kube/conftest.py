"""A small API server that says what a test tells it to, and clients that talk to it."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, TypeAlias

import pytest
from aiohttp import web

from podlift.kube import Client, Connection
from podlift.kube.access import Access

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve: TypeAlias = Callable[..., Awaitable[str]]
Connect: TypeAlias = Callable[..., Awaitable[Client]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """`await serve(handler)` answers every request on a free port by `handler`; gives the URL."""
    async with AsyncExitStack() as stack:

        async def start(handler: Any, tls: ssl.SSLContext | None = None) -> str:
            runner = web.ServerRunner(
                web.Server(handler, handler_cancellation=True), shutdown_timeout=0.01
            )
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
            await site.start()
            port = runner.addresses[0][1]
            return f"{'https' if tls else 'http'}://127.0.0.1:{port}"

        yield start


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """`await connect(url)` gives an open client for a server without credentials."""
    async with AsyncExitStack() as stack:

        async def open_client(url: str, **options: Any) -> Client:
            connection = Connection(Access(url, "the test"))
            return await stack.enter_async_context(Client(connection, **options))

        yield open_client
