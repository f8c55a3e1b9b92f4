"""Where a measurement takes place: a real control plane of its own, or a local cluster."""

from __future__ import annotations

import asyncio
import fcntl
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench import Unmeasured
from bench.bed import local_cluster, settled
from bench.kubelet import simulated_kubelet
from bench.load import NODE, write_template
from bench.side_by_side import pods
from bench.side_by_side.programs import end_at_work_in, end_left_behind, programs_in
from bench.side_by_side.server import real_server
from podlift.cli.home import cache_folder
from podlift.executor.patience import patiently
from podlift.kube import NAMESPACES, PODS, Client, load_connection

_EMPTY_PATIENCE = 120.0


@dataclass(frozen=True)
class Site:
    """A server with nodes that play pods."""

    kind: str
    folder: Path
    client: Client
    """The administrator's."""
    kubeconfig: Path
    """The administrator's."""
    measured: Path
    """The kubeconfig of whoever is measured."""
    node: str | None
    """The node that pods name; None where a scheduler finds one."""
    audit_log: Path | None
    pids: Callable[[], dict[str, int]]
    """The server's processes."""
    forget_history: Callable[[], None] | None
    """Makes every watch's place unknown; None where that cannot be done."""

    def kubelet(self, namespace: str) -> AbstractContextManager[object]:
        """Whoever plays the pods of a namespace, where KWOK does not."""
        return simulated_kubelet(self.kubeconfig, namespace) if self.node else nullcontext()

    def template(self, seconds: float) -> Path:
        """The file of a task's pod that runs so long."""
        return write_template(self.folder, seconds, self.node)

    @asynccontextmanager
    async def namespace(self) -> AsyncIterator[str]:
        """A fresh namespace. Its pods are gone afterwards, and nothing is still at work on them."""
        name = f"bench-{secrets.token_hex(4)}"
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        await self.client.create(NAMESPACES, body)
        await settled(self.client, name)
        try:
            with self.kubelet(name):
                yield name
        finally:
            # With thousands of pods a request takes longer than the server lets it; asked again, it
            # goes on with what is left.
            delete = partial(self.client.delete_collection, PODS, name, grace_period_seconds=0)
            await patiently(delete, f"Deleting the pods of {name}")
            await self.emptied(name)

    async def emptied(self, namespace: str) -> None:
        """Wait until no pod is left."""
        async with asyncio.timeout(_EMPTY_PATIENCE):
            while True:
                if not await pods.names(self.client, namespace):
                    return
                await asyncio.sleep(0.2)


@asynccontextmanager
async def site(kind: str) -> AsyncIterator[Site]:
    """The server, ended afterwards whatever happens. Raises ``Unmeasured``."""
    opened = _real() if kind == "real" else _local()
    async with opened as found:
        yield found


@asynccontextmanager
async def _real() -> AsyncIterator[Site]:
    with _recorded_folder() as folder, real_server(folder) as server:
        connection = await load_connection(server.kubeconfig)
        async with Client(connection, request_timeout=120) as client:
            yield Site(
                kind="kube-apiserver, etcd and kube-scheduler, nodes by KWOK",
                folder=folder,
                client=client,
                kubeconfig=server.kubeconfig,
                measured=server.measured,
                node=None,
                audit_log=server.audit_log,
                pids=server.programs.pids,
                forget_history=server.forget_history,
            )


@asynccontextmanager
async def _local() -> AsyncIterator[Site]:
    with _recorded_folder() as folder, programs_in(folder) as programs:
        async with local_cluster() as bed:
            programs.note("local-cluster", bed.pid)
            yield Site(
                kind="Podlift's local cluster",
                folder=folder,
                client=bed.client,
                kubeconfig=bed.kubeconfig,
                measured=bed.kubeconfig,
                node=NODE,
                audit_log=None,
                pids=programs.pids,
                forget_history=None,
            )


@contextmanager
def _recorded_folder() -> Iterator[Path]:
    """A folder that the next measurement finds and clears up, should this one be killed.

    Raises ``Unmeasured`` while another one runs: neither would mean anything.
    """
    root = cache_folder() / "bench"
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (root / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Unmeasured("another measurement runs on this machine: wait for its end") from None
        for left in root.glob("run-*"):
            for record in list(left.rglob("processes.json")):
                end_left_behind(record.parent)
            end_at_work_in(left)
            shutil.rmtree(left)
        with tempfile.TemporaryDirectory(dir=root, prefix="run-") as folder:
            yield Path(folder)
