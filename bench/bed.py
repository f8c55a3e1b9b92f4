"""The bed of a measurement: a local cluster of its own, in a folder that is removed afterwards."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import Unmeasured
from podlift.kube import Client, Connection, load_connection
from podlift.local import ClusterOptions
from podlift.local.daemon import start_detached, status, stop

NAMESPACE = "default"


@dataclass(frozen=True)
class Bed:
    """A running cluster, with a client and the process to look at."""

    connection: Connection
    client: Client
    pid: int


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
                yield Bed(connection, client, pid)
        finally:
            stop(home)
