"""A way to one API server that stays open: credentials that end or are refused are read again."""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from podlift.kube.access import Access
from podlift.kube.errors import ConfigurationError
from podlift.kube.incluster import SERVICE_ACCOUNT, is_inside, read_service_account
from podlift.kube.kubeconfig import find_files, kubeconfig_of, read_kubeconfig


class Connection:
    """Access to a server, kept fresh. One connection may serve several clients of one event loop.

    `read` is called again whenever what it gave is out of date: it re-reads files, runs plugins.
    """

    def __init__(
        self,
        access: Access,
        read: Callable[[], Awaitable[Access]] | None = None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._access = access
        self._read = read
        self._clock = clock
        self._lock = asyncio.Lock()
        self._ssl = access.tls.context()
        self.proxy = proxy_for(access)

    @property
    def server(self) -> str:
        """The server's URL."""
        return self._access.server

    @property
    def namespace(self) -> str:
        """The namespace that the context or the pod itself is in."""
        return self._access.namespace

    @property
    def source(self) -> str:
        """Where the access was read, in words."""
        return self._access.source

    @property
    def ssl_context(self) -> ssl.SSLContext:
        """For the server's certificate and ours, as last read."""
        return self._ssl

    async def current(self) -> Access:
        """Access that has not ended. Raises ConfigurationError where it cannot be renewed."""
        access = self._access
        if access.valid_until is not None and access.valid_until <= self._clock():
            return await self.renew(access)
        return access

    async def renew(self, stale: Access) -> Access:
        """Reads access anew, unless somebody else did since `stale` was handed out.

        Raises ConfigurationError. Without a way to read again it returns `stale`.
        """
        if self._read is None:
            return stale
        async with self._lock:
            if self._access is stale:
                access = await self._read()
                if access.tls != stale.tls:
                    self._ssl = access.tls.context()
                self._access = access
            return self._access


async def load_connection(
    config_file: str | Path | None = None,
    context: str | None = None,
    in_cluster: bool | None = None,
    *,
    config: Mapping[str, Any] | None = None,
    change: Callable[[Access], Access] | None = None,
    environ: Mapping[str, str] = os.environ,
    service_account: Path = SERVICE_ACCOUNT,
) -> Connection:
    """Finds out how to reach the cluster. No request is made.

    With `in_cluster` True, the pod's service account is used, with False a kubeconfig: the content
    `config`, or files. With None it is the service account where there is one and nobody named a
    kubeconfig: not by `config_file`, not by `config`, not by `context` and not in the variable
    KUBECONFIG. `change` may put something else into what was read, each time that it is.

    Raises ConfigurationError, saying what is missing and where it was looked for.
    """
    named = bool(config_file or config or context)
    inside = means_service_account(named, environ, service_account)
    if in_cluster is not None:
        inside = in_cluster

    async def read() -> Access:
        if inside:
            access = read_service_account(environ, service_account)
        elif config is not None:
            access = await kubeconfig_of(config).access(context)
        else:
            access = await read_kubeconfig(find_files(config_file, environ)).access(context)
        return access if change is None else change(access)

    return Connection(await read(), read)


def means_service_account(
    named: bool,
    environ: Mapping[str, str] = os.environ,
    service_account: Path = SERVICE_ACCOUNT,
) -> bool:
    """Whether the pod's own service account is meant where nobody says so or `named` a file."""
    return not (named or environ.get("KUBECONFIG")) and is_inside(environ, service_account)


def proxy_for(access: Access) -> str | None:
    """The proxy to go through: the cluster's own, else the environment's, as with kubectl."""
    address = urlsplit(access.server)
    proxy = access.proxy
    if proxy is None and not _is_loopback(address.hostname or ""):
        found = getproxies().get(address.scheme)
        proxy = None if proxy_bypass(address.netloc) else found
    if proxy is not None and urlsplit(proxy).scheme not in ("http", "https"):
        raise ConfigurationError(
            f"The proxy {proxy} of {access.source} is not usable: only http and https proxies are."
        )
    return proxy


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
