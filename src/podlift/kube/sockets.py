"""The sockets under one aiohttp session: how they are made, and that all of them end."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from weakref import WeakSet

import aiohttp


@dataclass(frozen=True)
class Keepalive:
    """When a peer that vanished without a word (a lost node, a dropped NAT entry) is given up.

    By default that is noticed after some 45 seconds.
    """

    idle: int = 30
    """Seconds of silence before the first probe."""
    interval: int = 5
    """Seconds between probes."""
    count: int = 3
    """Probes without an answer."""


_PATIENCE = 1.0


def _probe(made: socket.socket, keepalive: Keepalive) -> None:
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    wanted = {
        "TCP_KEEPIDLE": keepalive.idle,
        "TCP_KEEPINTVL": keepalive.interval,
        "TCP_KEEPCNT": keepalive.count,
    }
    for name, value in wanted.items():
        if hasattr(socket, name):
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


class Sockets:
    """Makes sockets for aiohttp's connector and knows which of them are open."""

    def __init__(self, keepalive: Keepalive | None) -> None:
        self._keepalive = keepalive
        self._made: WeakSet[socket.socket] = WeakSet()

    def make(self, address: aiohttp.AddrInfoType) -> socket.socket:
        """A socket that notices a vanished peer. To be given as ``socket_factory``."""
        family, kind, protocol, _, _ = address
        made = socket.socket(family, kind, protocol)
        if self._keepalive is not None:
            _probe(made, self._keepalive)
        self._made.add(made)
        return made

    async def end(self) -> None:
        """End the connections that a closed session left behind, so that the loop may end too.

        The session does not wait for the TLS connections of requests that were cancelled just now:
        they say goodbye first, and wait for the peer's answer, which may never come. Without the
        line under it such a connection ends at once.
        """
        for each in self._open():
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:  # not connected yet, or not any more
                continue
        clock = asyncio.get_running_loop().time
        give_up = clock() + _PATIENCE
        while self._open() and clock() < give_up:  # noqa: ASYNC110  no event tells of it
            await asyncio.sleep(0.001)

    def _open(self) -> list[socket.socket]:
        return [each for each in self._made if each.fileno() != -1]
