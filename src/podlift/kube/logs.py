"""A container's log: whole, or in pieces as they come.

https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#get-read-log-of-the-specified-pod
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import UTC, datetime

from podlift.kube.resources import PODS
from podlift.kube.transport import Transport

# No line that a person reads is longer, and a program that never writes a newline must not fill
# memory.
LINE_LIMIT = 1 << 20


class Logs:
    """What a Client can do with logs.

    Raises BadRequest while a container waits to start ("... is waiting to start: ...") and for an
    unknown container, and NotFound for an unknown pod.
    """

    _transport: Transport

    async def read_log(
        self,
        name: str,
        namespace: str,
        container: str | None = None,
        *,
        tail_lines: int | None = None,
        since_time: datetime | str | None = None,
        timestamps: bool = False,
        previous: bool = False,
        limit_bytes: int | None = None,
    ) -> bytes:
        """The log as it is now.

        `tail_lines` and `limit_bytes` bound it from the end and from the start. `since_time` is a
        datetime or the server's own timestamp text; the server honours whole seconds only.
        `timestamps` puts an RFC 3339 time and a blank before each line. `previous` reads the
        container's run before its last restart.
        """
        query = log_query(container, tail_lines, since_time, timestamps, previous, limit_bytes)
        return await self._transport.request("GET", PODS.path(namespace, name, "log"), query=query)

    async def log_pieces(
        self,
        name: str,
        namespace: str,
        container: str | None = None,
        *,
        tail_lines: int | None = None,
        since_time: datetime | str | None = None,
        timestamps: bool = False,
        limit_bytes: int | None = None,
        follow: bool = False,
        silence: float | None = None,
    ) -> AsyncGenerator[bytes, None]:
        """The log as it is now, in pieces as they come: one of any size takes little memory.

        The pieces end anywhere, also in the middle of a line; joined, they are the log byte for
        byte. With `follow` they come as they are written, over one connection, until the container
        ends. Raises ConnectionFailed when the connection breaks, and when nothing comes for
        `silence` seconds if that is given; a container may well be silent for hours.
        """
        query = log_query(container, tail_lines, since_time, timestamps, False, limit_bytes)
        if follow:
            query.append(("follow", "true"))
        path = PODS.path(namespace, name, "log")
        async with self._transport.stream(path, query=query, silence=silence) as pieces:
            async for piece in pieces:
                yield piece


def log_query(
    container: str | None,
    tail_lines: int | None,
    since_time: datetime | str | None,
    timestamps: bool,
    previous: bool,
    limit_bytes: int | None,
) -> list[tuple[str, str]]:
    """The parameters of a log request, with only those that are set."""
    if isinstance(since_time, datetime):
        if since_time.tzinfo is None:
            raise ValueError(
                "since_time needs a time zone: a naive datetime is another moment on each machine"
            )
        since_time = since_time.astimezone(UTC).isoformat().replace("+00:00", "Z")
    values = {
        "container": container,
        "tailLines": None if tail_lines is None else str(tail_lines),
        "sinceTime": since_time,
        "timestamps": "true" if timestamps else None,
        "previous": "true" if previous else None,
        "limitBytes": None if limit_bytes is None else str(limit_bytes),
    }
    return [(key, value) for key, value in values.items() if value is not None]
