"""The cluster that Airflow's tasks run on: started, found running, or chosen by its context."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from podlift.cli.errors import CliError, ClusterProblem, NotReady
from podlift.cli.home import Home
from podlift.cli.pod_template import Manifest
from podlift.cli.processes import Child, Command, first_death
from podlift.kube import PODS, Client, Connection, load_connection
from podlift.kube.errors import ApiError, Forbidden, KubeError
from podlift.local import daemon

_READY_SECONDS = 30.0
_STOP_SECONDS = 15.0
_POLL_SECONDS = 0.05
_LOOK_SECONDS = 1.0


class Cluster(Protocol):
    """What `podlift up` and `podlift demo` need of a cluster."""

    @property
    def kubeconfig(self) -> Path | None:
        """None for the user's own."""

    @property
    def context(self) -> str | None:
        """None for the kubeconfig's current one."""

    @property
    def namespace(self) -> str:
        """Where the task pods go."""

    async def start(self) -> None:
        """Begin to start it, if that is needed."""

    async def wait_ready(self) -> None:
        """Return once it answers. Raises a CliError in words if it will not."""

    async def death(self) -> CliError:
        """Wait until it ends by itself, and return the error that says so."""

    async def stop(self) -> None:
        """End it, if `start` started it."""


class LocalCluster:
    """The local cluster of a home: one that runs there already is used and left running."""

    context: str | None = None
    namespace = "default"

    def __init__(self, home: Home, environment: Mapping[str, str], sandbox: str) -> None:
        self._home = home
        self._environment = environment
        self._sandbox = sandbox
        self._child: Child | None = None
        self.kubeconfig = home.cluster / "kubeconfig"

    async def start(self) -> None:
        """Start `podlift cluster up` as a child, unless one runs from this home."""
        if daemon.status(self._home.cluster).running:
            return
        self._child = await Child.start(
            Command(
                name="The local cluster",
                arguments=[
                    *(sys.executable, "-m", "podlift.cli", "cluster", "up"),
                    *("--home", str(self._home.root), "--sandbox", self._sandbox),
                ],
                environment=self._environment,
                log=self._home.process_logs / "cluster.log",
            )
        )

    async def wait_ready(self) -> None:
        """Return once the API server listens and its kubeconfig is written."""
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline:
            if daemon.status(self._home.cluster).running:
                return
            await asyncio.sleep(_POLL_SECONDS)
        raise NotReady(
            f"The local cluster did not become ready within {_READY_SECONDS:.0f} seconds:"
            f" read its log in {self._home.process_logs}.",
            self._child.last_lines() if self._child else [],
        )

    async def death(self) -> CliError:
        """Wait until it ends, whether it is ours or was found running."""
        if self._child is not None:
            return await first_death([self._child])
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            if not daemon.status(self._home.cluster).running:
                return ClusterProblem(
                    f"The local cluster of {self._home.root} was stopped: start it again, or let"
                    " podlift up start one of its own."
                )

    async def stop(self) -> None:
        """End the child, which ends its containers."""
        if self._child is not None:
            await self._child.stop(_STOP_SECONDS)


class RealCluster:
    """A cluster of the user's own kubeconfig; nothing is started or stopped."""

    kubeconfig: Path | None = None

    def __init__(self, context: str, namespace: str) -> None:
        self.context = context
        self.namespace = namespace

    async def start(self) -> None:
        """Nothing to start."""

    async def wait_ready(self) -> None:
        """Prove that the cluster answers and lets us see pods."""
        try:
            async with Client(await connect(self)) as client:
                await client.list(PODS, self.namespace, limit=1)
        except KubeError as error:
            raise ClusterProblem(
                f"The cluster of context {self.context} cannot be used: {error}"
            ) from error

    async def death(self) -> CliError:
        """Never: what happens to it is seen by the executor."""
        await asyncio.Future()
        raise AssertionError  # a future that nobody completes does not return

    async def stop(self) -> None:
        """Nothing to stop."""


async def try_template(cluster: Cluster, template: Manifest) -> None:
    """Ask the cluster whether it would take a pod like this; nothing is created.

    Raises ClusterProblem with the server's own words. A quota that is used up is no reason:
    the executor waits for room.
    """
    metadata = template.get("metadata") or {}
    named = template | {"metadata": {**metadata, "name": "podlift-template-check"}}
    try:
        async with Client(await connect(cluster)) as client:
            namespace = metadata.get("namespace") or cluster.namespace
            await client.create(PODS, named, namespace, dry_run=True)
    except Forbidden as error:
        if not error.quota_exceeded:
            raise ClusterProblem(f"Pods may not be created for tasks: {error}") from error
    except ApiError as error:
        raise ClusterProblem(
            f"The cluster refuses pods made from the template; correct --pod-template: {error}"
        ) from error


async def connect(cluster: Cluster) -> Connection:
    """Return a connection to the cluster. Raises KubeError when its kubeconfig is of no use."""
    return await load_connection(
        config_file=cluster.kubeconfig, context=cluster.context, in_cluster=False
    )
