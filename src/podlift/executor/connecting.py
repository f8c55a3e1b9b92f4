"""From the settings to a client for the cluster."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from podlift.kube.access import Access
from podlift.kube.client import Client
from podlift.kube.connection import load_connection
from podlift.kube.errors import ConfigurationError
from podlift.kube.sockets import Keepalive
from podlift.settings import Settings


@asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[Client]:
    """A client for the cluster that the settings name. Raises ``ConfigurationError``."""
    connection = await load_connection(
        settings.config_file,
        settings.cluster_context,
        settings.in_cluster,
        change=lambda access: _trusting(access, settings),
    )
    async with Client(
        connection, request_timeout=settings.request_timeout, keepalive=_keepalive(settings)
    ) as client:
        yield client


def _trusting(access: Access, settings: Settings) -> Access:
    """The access with what ``verify_ssl`` and ``ssl_ca_cert`` say about whom to trust."""
    tls = access.tls
    if settings.ssl_ca_cert is not None:
        tls = replace(tls, ca=_read(settings.ssl_ca_cert))
    return replace(access, tls=replace(tls, verify=tls.verify and settings.verify_ssl))


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ConfigurationError(f"ssl_ca_cert cannot be read: {error}") from error


def _keepalive(settings: Settings) -> Keepalive | None:
    if not settings.enable_tcp_keepalive:
        return None
    return Keepalive(settings.tcp_keep_idle, settings.tcp_keep_intvl, settings.tcp_keep_cnt)
