"""The local cluster as one object: start it, get its address, stop it."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import secrets
import socket
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec
from aiohttp import web

from podlift.local import errors
from podlift.local.api.access import Tokens
from podlift.local.api.server import ApiServer, server_of, tls_context
from podlift.local.certificates import make_certificates
from podlift.local.controllers.claims import ClaimController
from podlift.local.controllers.garbage import GarbageCollector
from podlift.local.controllers.jobs import JobController
from podlift.local.controllers.namespaces import FIRST, NamespaceController, furnish, make_namespace
from podlift.local.controllers.quota import QuotaController
from podlift.local.controllers.recorder import EventSweeper
from podlift.local.controllers.scheduler import Scheduler
from podlift.local.home import (
    RECORD,
    ClusterRecord,
    Endpoint,
    kubeconfig_text,
    lock_home,
    make_home,
    started_at,
    write_certificates,
    write_private,
)
from podlift.local.kubelet import Kubelet
from podlift.local.kubelet.contract import KubeletOptions
from podlift.local.store import Disk, Store

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """Where the cluster keeps its state and listens.

    ``home`` is a folder of the cluster's own, made if needed. ``port`` 0 takes any free one.
    ``sandbox`` says how containers are kept apart; ``auto`` takes bubblewrap where it works.
    """

    home: Path
    host: str = "127.0.0.1"
    port: int = 0
    sandbox: Literal["auto", "bubblewrap", "none"] = "auto"


class LocalCluster:
    """An API server, its controllers and a kubelet, in this process and on this event loop.

    ::

        cluster = LocalCluster(ClusterOptions(home))
        endpoint = await cluster.start()
        ...
        await cluster.stop()
    """

    def __init__(self, options: ClusterOptions) -> None:
        self._options = options
        self._home = options.home.absolute()
        self._lock: int | None = None
        self._store: Store | None = None
        self._kubelet: Kubelet | None = None
        self._listener: socket.socket | None = None
        self._runner: web.ServerRunner | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._failed = asyncio.Event()

    @property
    def store(self) -> Store:
        """The objects, for those who look on from the same process; only while it runs."""
        if self._store is None:
            raise errors.NotRunning("The cluster has not been started.")
        return self._store

    async def start(self) -> Endpoint:
        """Start everything; the cluster is ready when this returns.

        Raises a :class:`~podlift.local.errors.LocalError`, and leaves nothing running then.
        """
        make_home(self._home)
        self._lock = lock_home(self._home)
        try:
            return await self._start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End all containers, then the rest; what is stored is found again by the next start."""
        if self._kubelet is not None:
            await self._kubelet.stop()
            self._kubelet = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        if self._store is not None:
            self._store.close()
            self._store = None
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        if self._lock is not None:
            for name in ("kubeconfig", RECORD):
                (self._home / name).unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = None

    async def wait(self) -> None:
        """Wait until a part of the cluster fails, which only a mistake in it can cause.

        Raises :class:`~podlift.local.errors.StartFailed` with what happened in the log.
        """
        await self._failed.wait()
        raise errors.StartFailed("A part of the local cluster failed; its log says which and why.")

    async def _start(self) -> Endpoint:
        certificates = make_certificates(self._options.host)
        paths = write_certificates(self._home / "pki", certificates)
        disk = Disk(self._home / "state.db")
        store = self._store = Store(disk)
        for name in FIRST:
            make_namespace(store, name)
            furnish(store, name, certificates.authority)
        listener = self._listener = _listener(self._options.host, self._options.port)
        port = listener.getsockname()[1]
        tokens = Tokens(secrets.token_urlsafe(32))
        kubelet = self._kubelet = Kubelet(
            store, self._kubelet_options(port, certificates.authority, tokens)
        )
        await kubelet.start()
        self._tend(disk.run())
        self._tend(Scheduler(store).run())
        self._tend(NamespaceController(store, certificates.authority).run())
        self._tend(QuotaController(store).run())
        self._tend(JobController(store).run())
        self._tend(GarbageCollector(store).run())
        self._tend(ClaimController(store, self._home / "claims").run())
        self._tend(EventSweeper(store).run())
        self._runner = web.ServerRunner(server_of(ApiServer(store, kubelet, tokens)))
        await self._runner.setup()
        site = web.SockSite(
            self._runner, listener, ssl_context=tls_context(paths["certificate"], paths["key"])
        )
        await site.start()
        return self._announce(port, certificates.authority, tokens.admin)

    def _kubelet_options(self, port: int, authority: str, tokens: Tokens) -> KubeletOptions:
        return KubeletOptions(
            home=self._home / "kubelet",
            claims=self._home / "claims",
            service=(self._options.host, port),
            ca_certificate=authority,
            issue_token=tokens.of_account,
            sandbox=self._options.sandbox,
        )

    def _tend(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a controller; one that fails stops the cluster instead of going missing."""

        async def tended() -> None:
            try:
                await work
            except Exception:
                _log.exception("A controller of the local cluster failed.")
                self._failed.set()
                raise

        self._tasks.append(asyncio.create_task(tended()))

    def _announce(self, port: int, authority: str, token: str) -> Endpoint:
        host = self._options.host
        url = f"https://{f'[{host}]' if ':' in host else host}:{port}"
        kubeconfig = self._home / "kubeconfig"
        write_private(kubeconfig, kubeconfig_text(url, authority, token))
        pid = os.getpid()
        record = ClusterRecord(pid, started_at(pid) or 0, url, token)
        write_private(self._home / RECORD, msgspec.json.encode(record).decode())
        return record.endpoint(self._home)


def _listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise errors.PortTaken(
                f"Port {port} on {host} is taken by another program; choose another one, "
                "or 0 for any that is free."
            ) from error
        raise errors.PortTaken(
            f"The cluster cannot listen on {host} port {port}: {error.strerror}."
        ) from error
    listener.setblocking(False)
    return listener
