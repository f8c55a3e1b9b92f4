"""The client: verbs, logs and streams over one connection pool."""

from __future__ import annotations

from types import TracebackType

from podlift.kube.connection import Connection
from podlift.kube.logs import Logs
from podlift.kube.sockets import Keepalive
from podlift.kube.streaming import Streams
from podlift.kube.transport import Transport
from podlift.kube.verbs import Verbs


class Client(Verbs, Logs, Streams):
    """Talks to one API server as one user. Use it as `async with Client(connection) as client:`.

    Make one and share it: it is a pool of connections, safe for any number of tasks of one event
    loop. `request_timeout` bounds each request in seconds, from connecting to the last byte;
    watches, followed logs and streams have no end. `keepalive` says when a silent peer is given up.

    Requests are sent once. Only after a 401 are the credentials read anew and, if they changed,
    shown again. Everything else is told to the caller: `error.transient` and `error.retry_after`
    say whether and when it is worth another try, and no one but the caller knows whether a repeated
    create is harmless.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        request_timeout: float = 30.0,
        keepalive: Keepalive | None = Keepalive(),  # noqa: B008  frozen
    ) -> None:
        self.connection = connection
        self._transport = Transport(connection, request_timeout, keepalive)

    @property
    def transport(self) -> Transport:
        """The layer below, for what the verbs do not offer."""
        return self._transport

    async def __aenter__(self) -> Client:
        await self._transport.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._transport.close()
