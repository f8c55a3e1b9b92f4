"""Stands in until the kubelet is there: a node, and pods that stay as they are."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

from podlift.local import errors
from podlift.local.kinds import NODE, Obj
from podlift.local.kubelet.contract import KubeletOptions, LogOptions, RunningProcess
from podlift.local.store import Store


class Kubelet:
    """See above."""

    def __init__(self, store: Store, options: KubeletOptions) -> None:
        self._store, self._options = store, options

    async def start(self) -> None:
        """Register the node."""
        if self._store.find(NODE, None, self._options.node_name):
            return
        room = {"cpu": str(os.cpu_count()), "memory": "8Gi", "pods": "500"}
        self._store.create(
            NODE,
            {
                "metadata": {"name": self._options.node_name, "labels": {}},
                "spec": {},
                "status": {"capacity": room, "allocatable": room},
            },
        )

    async def stop(self) -> None:
        """Nothing to stop."""

    async def read_log(self, pod: Obj, options: LogOptions) -> AsyncIterator[bytes]:
        """No log."""
        raise errors.BadRequest("no kubelet")

    async def exec(
        self, pod: Obj, container: str, command: list[str], *, stdin: bool, tty: bool
    ) -> RunningProcess:
        """No exec."""
        raise errors.BadRequest("no kubelet")

    async def attach(self, pod: Obj, container: str, *, stdin: bool, tty: bool) -> RunningProcess:
        """No attach."""
        raise errors.BadRequest("no kubelet")
