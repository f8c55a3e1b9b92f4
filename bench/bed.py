"""The bed of a measurement: a local cluster of its own, in a folder that is removed afterwards."""

from __future__ import annotations

import asyncio
import secrets
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import Unmeasured
from podlift.kube import (
    CONFIGMAPS,
    NAMESPACES,
    PODS,
    SERVICE_ACCOUNTS,
    Client,
    Connection,
    NotFound,
    load_connection,
)
from podlift.local import ClusterOptions
from podlift.local.daemon import start_detached, status, stop

NAMESPACE = "default"


@dataclass(frozen=True)
class Bed:
    """A running cluster, with a client and the process to look at."""

    connection: Connection
    client: Client
    pid: int
    kubeconfig: Path


@asynccontextmanager
async def local_cluster() -> AsyncIterator[Bed]:
    """Starts a cluster and stops it in the end, whatever happens."""
    with tempfile.TemporaryDirectory(prefix="podlift-bench-") as folder:
        home = Path(folder, "cluster")
        endpoint = start_detached(ClusterOptions(home))
        try:
            pid = status(home).pid
            if pid is None:
                raise Unmeasured(f"the cluster in {home} ended right after its start")
            connection = await load_connection(endpoint.kubeconfig)
            async with Client(connection, request_timeout=120) as client:
                yield Bed(connection, client, pid, endpoint.kubeconfig)
        finally:
            stop(home)


def real_kubeconfig() -> Path:
    """The kubeconfig of the node that `make cluster-real` started."""
    command = [sys.executable, "-m", "tests.real", "status"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        raise Unmeasured("there is no real cluster: start it with `make cluster-real`")
    return Path(answer.stdout.strip().removeprefix("running: "))


@asynccontextmanager
async def namespace_in(kubeconfig: Path) -> AsyncIterator[str]:
    """A fresh namespace that is removed, with all its pods, whatever happens."""
    name = f"bench-{secrets.token_hex(4)}"
    async with Client(await load_connection(kubeconfig), request_timeout=120) as client:
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        await client.create(NAMESPACES, body)
        try:
            await settled(client, name)
            yield name
        finally:
            await client.delete_collection(PODS, name, grace_period_seconds=0)
            await client.delete(NAMESPACES, name)


async def settled(client: Client, namespace: str) -> None:
    """Wait for what a controller makes and pods need to be admitted."""
    for resource, name in ((SERVICE_ACCOUNTS, "default"), (CONFIGMAPS, "kube-root-ca.crt")):
        async with asyncio.timeout(30):
            while True:
                try:
                    await client.get(resource, name, namespace)
                    break
                except NotFound:
                    await asyncio.sleep(0.05)
