"""Reads Secrets with a plain HTTP request each, in whatever thread asks.

Airflow asks for connections where an event loop runs and where none does, and in processes that
fork. So there is no client that lives on: one request, one connection, nothing to take care of.
"""

from __future__ import annotations

import asyncio
import base64
import json
import threading
import time
from collections.abc import Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any, TypeVar
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode
from urllib.request import HTTPSHandler, ProxyHandler, Request, build_opener

from podlift.kube.access import Access
from podlift.kube.connection import Connection, load_connection
from podlift.kube.errors import KubeError, Unauthorized, error_from_answer
from podlift.kube.resources import SECRETS

T = TypeVar("T")


class SecretsNotRead(Exception):
    """The cluster could not be asked for a Secret, or what it holds is no text."""


@dataclass(frozen=True)
class Found:
    """A Secret."""

    name: str
    data: Mapping[str, str]

    def text(self, key: str) -> str:
        """What it holds under ``key``. Raises ``SecretsNotRead``."""
        if key not in self.data:
            keys = ", ".join(sorted(self.data)) or "nothing"
            raise SecretsNotRead(f"Secret {self.name} has no key {key!r}, but {keys}.")
        try:
            return base64.b64decode(self.data[key]).decode("utf-8")
        except ValueError as error:
            raise SecretsNotRead(f"Secret {self.name}, key {key!r}: {error}.") from None


class SecretsOfNamespace:
    """Asks for Secrets of one namespace. Everything raises ``SecretsNotRead`` in a sentence."""

    def __init__(
        self,
        *,
        namespace: str | None = None,
        config_file: str | None = None,
        context: str | None = None,
        timeout: float = 10.0,
    ) -> None:
        self._namespace = namespace
        self._config_file = config_file
        self._context = context
        self._timeout = timeout
        self._lock = threading.Lock()
        self._known: tuple[Connection, Access] | None = None

    def by_labels(self, selector: str) -> Found | None:
        """The Secret with these labels; the first by name of several."""
        # Version 0 is answered from the server's memory: no load for etcd, some seconds old.
        items = self._get(None, {"labelSelector": selector, "resourceVersion": "0"})["items"]
        found = sorted((_found(item) for item in items), key=lambda each: each.name)
        return found[0] if found else None

    def by_name(self, name: str) -> Found | None:
        """The Secret of this name."""
        answer = self._get(name, {})
        return _found(answer) if answer else None

    def _get(self, name: str | None, query: Mapping[str, str]) -> Any:
        try:
            connection, access = self._current()
            try:
                return self._request(connection, access, name, query)
            except Unauthorized:  # a token that has just been replaced
                connection, access = self._current(refused=access)
                return self._request(connection, access, name, query)
        except KubeError as error:
            raise SecretsNotRead(f"Kubernetes Secrets cannot be read: {error}") from error
        except (URLError, HTTPException, OSError) as error:
            reason = getattr(error, "reason", error)
            raise SecretsNotRead(f"Kubernetes Secrets cannot be read: {reason}") from error

    def _request(
        self, connection: Connection, access: Access, name: str | None, query: Mapping[str, str]
    ) -> Any:
        namespace = quote(self._namespace or access.namespace, safe="")
        path = SECRETS.path(namespace, name)
        request = Request(f"{access.server}{path}?{urlencode(query)}", headers=dict(access.headers))
        proxies = {"https": connection.proxy, "http": connection.proxy} if connection.proxy else {}
        opener = build_opener(ProxyHandler(proxies), HTTPSHandler(context=connection.ssl_context))
        try:
            with opener.open(request, timeout=self._timeout) as answer:
                return json.load(answer)
        except HTTPError as error:
            with error:
                if error.code == 404 and name is not None:
                    return None
                raise error_from_answer(error.code, error.read(), dict(error.headers)) from None

    def _current(self, refused: Access | None = None) -> tuple[Connection, Access]:
        """How to reach the server, read anew when its time is over or it was refused."""
        with self._lock:
            known = self._known
            stale = known is None or known[1] is refused or _is_over(known[1])
            if known is None or stale:
                connection = known[0] if known else self._run(self._load())
                before = known[1] if known else None
                access = self._run(
                    connection.current()
                    if refused is None or before is None
                    else connection.renew(before)
                )
                known = self._known = connection, access
            return known

    async def _load(self) -> Connection:
        return await load_connection(self._config_file, self._context)

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in a thread of its own: this one may have a loop that runs."""
        with ThreadPoolExecutor(1, "podlift-secrets") as pool:
            return pool.submit(asyncio.run, work).result()


def _is_over(access: Access) -> bool:
    return access.valid_until is not None and access.valid_until <= time.time()


def _found(secret: Mapping[str, Any]) -> Found:
    return Found(secret["metadata"]["name"], secret.get("data") or {})
