"""What a measurement itself does with pods: looks, touches, ends."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterable
from functools import partial
from typing import Any

from bench import Unmeasured
from bench.triggerer import ENDED
from podlift.executor.patience import patiently
from podlift.kube import PODS, Client, Patch
from podlift.pods.reading import Pod

_AT_ONCE = 32


async def names(client: Client, namespace: str) -> list[str]:
    """All pods of a namespace."""
    return [pod.metadata.name for pod in await _all(client, namespace)]


async def _all(client: Client, namespace: str) -> list[Pod]:
    """Asked again while the server is too busy to answer."""
    ask: Any = partial(client.list, PODS, namespace, type=Pod)
    pods: list[Pod] = (await patiently(ask, "Listing pods")).items
    return pods


async def until_running(client: Client, namespace: str, count: int, patience: float) -> float:
    """Wait until so many pods run; the seconds it took. Raises ``Unmeasured``.

    Asks the more rarely the more are missing: a list of thousands costs the server, too.
    """
    began = time.monotonic()
    while True:
        pods = await _all(client, namespace)
        missing = count - sum(pod.status.phase == "Running" for pod in pods)
        took = time.monotonic() - began
        if missing <= 0:
            return took
        if took > patience:
            raise Unmeasured(f"{missing} of {count} pods do not run after {patience:.0f} s")
        await asyncio.sleep(min(10.0, max(0.2, missing / 200)))


async def until_gone(client: Client, namespace: str, pods: Iterable[str], patience: float) -> None:
    """Wait until none of these pods is left, or for as long as there is patience."""
    sought, began = set(pods), time.monotonic()
    while sought.intersection(await names(client, namespace)):
        if time.monotonic() - began > patience:
            return
        await asyncio.sleep(0.2)


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
