"""What a measurement itself does with pods: looks, touches, ends."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterable

from bench.triggerer import ENDED
from podlift.kube import PODS, Client, Patch
from podlift.pods.reading import Pod

_AT_ONCE = 32


async def names(client: Client, namespace: str) -> list[str]:
    """All pods of a namespace."""
    listed = await client.list(PODS, namespace, type=Pod)
    return [pod.metadata.name for pod in listed.items]


async def touch(client: Client, namespace: str, pods: Iterable[str], count: int) -> None:
    """Change an annotation so many times, of one pod after the other."""
    each = itertools.islice(itertools.cycle(list(pods)), count)

    async def work() -> None:
        for name in each:
            now = str(time.monotonic_ns())  # the same value again would be no change
            change = {"metadata": {"annotations": {"podlift.dev/touched": now}}}
            await client.patch(PODS, name, namespace, change, how=Patch.MERGE)

    await asyncio.gather(*(work() for _ in range(_AT_ONCE)))


async def end(client: Client, namespace: str, pods: Iterable[str]) -> None:
    """Let pods have succeeded."""
    each = iter(pods)

    async def work() -> None:
        for name in each:
            await client.patch(PODS, name, namespace, ENDED, how=Patch.MERGE, subresource="status")

    await asyncio.gather(*(work() for _ in range(_AT_ONCE)))
