"""A simulated kubelet, in a process of its own: it reports pods as running and then as succeeded.

    python -m bench.kubelet KUBECONFIG NAMESPACE

It says `ready` when it watches, and `done` to what it reads on its standard input: `touch N`
changes an annotation of N running pods in turn, `running N` waits until so many run, `empty` until
all pods are gone. The end of its input ends it.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
import time
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from bench.companion import Companion
from bench.load import NODE, RUN_SECONDS
from podlift.kube import (
    NODES,
    PODS,
    AlreadyExists,
    ApiError,
    Client,
    NotFound,
    Patch,
    load_connection,
    watch,
)
from podlift.pods.reading import Pod

_AT_ONCE = 32
_NODE_BEAT = 10.0


class Kubelet:
    """Plays the node called `bench.load.NODE`."""

    def __init__(self, client: Client, namespace: str) -> None:
        self._client = client
        self._namespace = namespace
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._alive: dict[str, None] = {}
        self._pods: set[str] = set()
        self._change = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Run every pod that turns up, and do what the input says, until the input ends."""
        await self._register()
        self._spawn(self._beat())
        self._spawn(self._watch())
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
        while line := await reader.readline():
            match line.decode().split():
                case ["touch", count]:
                    await self._touch(int(count))
                case ["running", count]:
                    await self._until(partial(self._run_at_least, int(count)))
                case ["empty"]:
                    await self._until(lambda: not self._pods)
            print("done", flush=True)
        for task in self._tasks:
            task.cancel()

    def _run_at_least(self, count: int) -> bool:
        return len(self._alive) >= count

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._change.clear()
            await self._change.wait()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _register(self) -> None:
        node = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": NODE},
            "spec": {"taints": [{"key": "podlift.dev/bench", "effect": "NoSchedule"}]},
        }
        try:
            await self._client.create(NODES, node)
        except AlreadyExists:
            return

    async def _beat(self) -> None:
        """Keep the node controllers of a real cluster from taking the pods away."""
        while True:
            ready = {
                "type": "Ready",
                "status": "True",
                "reason": "KubeletReady",
                "lastHeartbeatTime": _now(),
            }
            status = {"status": {"conditions": [ready]}}
            try:
                await self._client.patch(NODES, NODE, None, status, subresource="status")
            except ApiError as error:
                if error.status not in (403, 404, 405):  # the local cluster keeps only its own node
                    raise
            await asyncio.sleep(_NODE_BEAT)

    async def _watch(self) -> None:
        events = watch(
            self._client,
            PODS,
            self._namespace,
            field_selector=f"spec.nodeName={NODE}",
            type=Pod,
        )
        async with aclosing(events):
            async for event in events:
                if event.kind == "SYNCED":
                    print("ready", flush=True)
                elif event.object is not None:
                    self._heed(event.kind, event.object)

    def _heed(self, kind: str, pod: Pod) -> None:
        name = pod.metadata.name
        if kind == "ADDED":
            self._pods.add(name)
            self._spawn(self._live(pod))
        elif kind == "DELETED":
            self._alive.pop(name, None)
            self._pods.discard(name)
            self._change.set()

    async def _live(self, pod: Pod) -> None:
        name = pod.metadata.name
        started = _now()
        await self._report(name, "Running", {"running": {"startedAt": started}})
        self._alive[name] = None
        self._change.set()
        await asyncio.sleep(float(pod.metadata.annotations.get(RUN_SECONDS, "0.5")))
        self._alive.pop(name, None)
        ended = {"exitCode": 0, "startedAt": started, "finishedAt": _now(), "reason": "Completed"}
        await self._report(name, "Succeeded", {"terminated": ended})

    async def _report(self, name: str, phase: str, state: dict[str, Any]) -> None:
        running = phase == "Running"
        base = {
            "name": "base",
            "state": state,
            "ready": running,
            "started": running,
            "restartCount": 0,
            "image": "busybox:1.36",
            "imageID": "",
        }
        conditions = [
            {"type": kind, "status": "True" if running else "False", "lastTransitionTime": _now()}
            for kind in ("Ready", "ContainersReady")
        ]
        status = {"phase": phase, "containerStatuses": [base], "conditions": conditions}
        try:
            async with self._slots:
                await self._client.patch(
                    PODS, name, self._namespace, {"status": status}, subresource="status"
                )
        except NotFound:
            self._alive.pop(name, None)

    async def _touch(self, count: int) -> None:
        names = itertools.islice(itertools.cycle(list(self._alive)), count)

        async def work() -> None:
            for name in names:
                now = str(time.monotonic_ns())  # the same value again would be no change
                change = {"metadata": {"annotations": {"podlift.dev/touched": now}}}
                await self._client.patch(PODS, name, self._namespace, change, how=Patch.MERGE)

        await asyncio.gather(*(work() for _ in range(_AT_ONCE)))


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def simulated_kubelet(kubeconfig: Path, namespace: str) -> Companion:
    """The process that runs the namespace's pods."""
    return Companion("bench.kubelet", kubeconfig, namespace)


async def _main(kubeconfig: Path, namespace: str) -> None:
    async with Client(await load_connection(kubeconfig)) as client:
        await Kubelet(client, namespace).run()


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1]), sys.argv[2]))
