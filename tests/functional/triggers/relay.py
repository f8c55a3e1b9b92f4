"""A server before the API server that counts what is asked, by verb."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import yaml
from aiohttp import web

if TYPE_CHECKING:
    from tests.functional.conftest import Cluster


class Relay:
    """Passes requests on as the cluster's administrator. ``verbs`` counts them."""

    def __init__(self, cluster: Cluster, session: aiohttp.ClientSession, folder: Path) -> None:
        self.verbs: Counter[str] = Counter()
        self.kubeconfig = folder / "relay-kubeconfig"
        self._cluster = cluster
        self._session = session

    def write_kubeconfig(self, port: int) -> None:
        """Say where it is."""
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "relay",
            "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
            "users": [{"name": "u", "user": {}}],
            "contexts": [{"name": "relay", "context": {"cluster": "c", "user": "u"}}],
        }
        self.kubeconfig.write_text(yaml.safe_dump(content))

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.verbs[verb_of(request)] += 1
        headers = {"Content-Type": request.headers.get("Content-Type", "application/json")}
        if self._cluster.token:
            headers["Authorization"] = f"Bearer {self._cluster.token}"
        url, body = self._cluster.url + request.path_qs, await request.read()
        async with self._session.request(request.method, url, data=body, headers=headers) as answer:
            kind = answer.headers.get("Content-Type", "application/json")
            response = web.StreamResponse(status=answer.status, headers={"Content-Type": kind})
            await response.prepare(request)
            async for piece in answer.content.iter_any():
                await response.write(piece)
            return response


def verb_of(request: web.BaseRequest) -> str:
    """What Kubernetes calls the request, and what it is about."""
    if request.method != "GET":
        return request.method.lower()
    last = request.path.rpartition("/")[2]
    if last == "log":
        return "log"
    if last not in ("pods", "events", "jobs"):
        return "get"
    return f"watch {last}" if "watch" in request.query else f"list {last}"


@asynccontextmanager
async def relay(cluster: Cluster, folder: Path) -> AsyncIterator[Relay]:
    """Stands before the cluster while the block runs."""
    connector = aiohttp.TCPConnector(ssl=cluster.tls(), limit=0)
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        made = Relay(cluster, session, folder)
        server = web.Server(made.handle, handler_cancellation=True, access_log=None)
        runner = web.ServerRunner(server, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        made.write_kubeconfig(runner.addresses[0][1])
        try:
            yield made
        finally:
            await runner.cleanup()
