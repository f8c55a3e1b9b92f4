"""The way to the cluster that takes no detour: for the proxy behind, the observer and the judge."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from podlift.kube import load_connection


class Refused(Exception):
    """The cluster answered a direct request with an error. ``status`` is its HTTP code."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status


@dataclass(frozen=True)
class Cluster:
    """An API server with its administrator's credentials, over one connection pool."""

    url: str
    headers: dict[str, str]
    tls: ssl.SSLContext
    session: aiohttp.ClientSession

    async def request(
        self, method: str, path: str, body: Any = None, content_type: str = "application/json"
    ) -> Any:
        """One request and its decoded answer. Raises ``Refused``."""
        data = None if body is None else json.dumps(body).encode()
        headers = {**self.headers, "Content-Type": content_type}
        async with self.session.request(
            method, self.url + path, data=data, headers=headers, ssl=self.tls
        ) as answer:
            text = await answer.text()
            if answer.status >= 300:
                raise Refused(answer.status, text[:500])
            return json.loads(text)

    async def merge(self, path: str, body: Any) -> Any:
        """A JSON merge patch."""
        return await self.request("PATCH", path, body, "application/merge-patch+json")


@asynccontextmanager
async def cluster_of(kubeconfig: Path) -> AsyncIterator[Cluster]:
    """The cluster that a kubeconfig leads to."""
    access = await (await load_connection(kubeconfig, in_cluster=False)).current()
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=10)
    async with aiohttp.ClientSession(
        connector=connector, timeout=timeout, auto_decompress=False
    ) as session:
        headers = {**dict(access.headers), "Accept-Encoding": "identity"}
        yield Cluster(access.server.rstrip("/"), headers, access.tls.context(), session)
