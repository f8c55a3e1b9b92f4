"""A server before the cluster that keeps some requests, so that a scheduler can die in them."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field

from aiohttp import web
from tests.functional.executor.test_busy_server import TroubledServer


@dataclass
class Hold:
    """Requests that get no answer. ``met`` is set once there was one."""

    method: str
    path: str
    """A pattern that the path ends with."""
    carried_out: bool = False
    """Whether the cluster gets the request all the same."""
    met: threading.Event = field(default_factory=threading.Event)


class HoldingServer(TroubledServer):
    """Holds what it is told to hold, until it is stopped."""

    holds: tuple[Hold, ...] = ()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        for hold in self.holds:
            if request.method == hold.method and re.search(f"{hold.path}$", request.path):
                if hold.carried_out:
                    await self.forward_silently(request)
                hold.met.set()
                await self._stop.wait()
                return web.Response(status=503)
        return await super()._handle(request)
