"""What the local cluster does in a second, and what it weighs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

from bench import Unmeasured
from bench.bed import NAMESPACE, Bed
from podlift.kube import PODS, Client, WatchEvent, watch
from podlift.pods.reading import Pod, is_finished

CLIENTS = 20
CREATED = 4000
TRIVIAL = 100
FINISHED = 1000
_PATIENCE = 600.0


def _pod(name: str, **spec: Any) -> dict[str, Any]:
    container = {"name": "base", "image": "busybox", "command": ["true"]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"of": name.partition("-")[0]}},
        "spec": {"restartPolicy": "Never", "containers": [container], **spec},
    }


async def _create(bed: Bed, pods: Iterable[dict[str, Any]]) -> None:
    """Creates pods by CLIENTS clients, each with its own connection and one request at a time."""
    waiting = iter(pods)

    async def work(client: Client) -> None:
        for pod in waiting:
            await client.create(PODS, pod, NAMESPACE, type=Pod)

    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(Client(bed.connection)) for _ in range(CLIENTS)]
        await asyncio.gather(*(client.server_version() for client in clients))
        await asyncio.gather(*(work(client) for client in clients))


async def creations_per_second(bed: Bed) -> float:
    """Pods that a scheduling gate keeps from running, so that only their creation is measured."""
    gate = [{"name": "podlift.dev/bench"}]
    pods = (_pod(f"gated-{number}", schedulingGates=gate) for number in range(CREATED))
    started = time.perf_counter()
    await _create(bed, pods)
    return CREATED / (time.perf_counter() - started)


async def watched_events_per_second(bed: Bed) -> float:
    """One request deletes all gated pods; counted is what our own watch tells of it."""
    async with _synced(bed, "of=gated") as events:
        left = len((await bed.client.list(PODS, NAMESPACE, label_selector="of=gated")).items)
        count = 0
        deleting = asyncio.create_task(
            bed.client.delete_collection(PODS, NAMESPACE, label_selector="of=gated")
        )
        first = 0.0
        async for event in events:
            first = first or time.perf_counter()
            count += 1
            left -= event.kind == "DELETED"
            if not left:
                break
        seconds = time.perf_counter() - first
        await deleting
    return count / seconds


async def seconds_for_trivial_pods(bed: Bed) -> float:
    """Pods that run `true`, from the first request until the last is seen to have succeeded."""
    return await _run_to_the_end(bed, "trivial", TRIVIAL)


async def megabytes_with_finished_pods(bed: Bed) -> float:
    """The cluster's process and its helpers, when all containers have ended.

    Needs a fresh cluster: memory that an earlier measurement took is not given back.
    """
    await _run_to_the_end(bed, "finished", FINISHED)
    pods = await bed.client.list(PODS, NAMESPACE, type=Pod)
    finished = sum(map(is_finished, pods.items))
    if finished != FINISHED:
        raise Unmeasured(f"{FINISHED} pods should have finished, but {finished} have")
    return sum(map(_resident_megabytes, _family(bed.pid)))


async def _run_to_the_end(bed: Bed, prefix: str, count: int) -> float:
    async with _synced(bed, f"of={prefix}") as events:
        started = time.perf_counter()
        creating = asyncio.create_task(
            _create(bed, (_pod(f"{prefix}-{number}") for number in range(count)))
        )
        ended: set[str] = set()
        async for event in events:
            pod = event.object
            if pod is not None and is_finished(pod):
                if pod.status.phase != "Succeeded":
                    raise Unmeasured(f"pod {pod.metadata.name} ended as {pod.status}")
                ended.add(pod.metadata.name)
            if len(ended) == count:
                break
        await creating
        return time.perf_counter() - started


@asynccontextmanager
async def _synced(bed: Bed, selector: str) -> AsyncIterator[AsyncIterator[WatchEvent[Pod]]]:
    """A watch that has told all that was there."""
    events = watch(bed.client, PODS, NAMESPACE, label_selector=selector, type=Pod)
    async with asyncio.timeout(_PATIENCE), aclosing(events):
        async for event in events:
            if event.kind == "SYNCED":
                break
        yield events


def _family(pid: int) -> list[int]:
    """A process, its children, and theirs."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(member for child in children for member in _family(int(child)))]


def _resident_megabytes(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    kilobytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
    return int(kilobytes) / 1024
