"""Note on a pod how far its log was told, so that another process can go on from there."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from podlift.kube import PODS, Client, KubeError, Patch
from podlift.pods.reading import Pod
from podlift.runs.listening import Listener
from podlift.runs.positions import Places

TOLD = "podlift.dev/told"

_SHORTEST = 1.0
_LAG = 1.0
"""Seconds from telling a line until it is noted. The process that writes the log is another one: a
line that was told but never written would be lost, one that was not noted only comes again."""
_IN_TIME = 3.0
"""Seconds that a note may take where a process is told to end."""


def noted(pod: Pod) -> Places:
    """How far the pod's log was told, as the last who told it noted. Pure."""
    try:
        places = msgspec.json.decode(pod.metadata.annotations.get(TOLD, "{}"), type=Places)
        return {name: place for name, place in places.items() if place.since}
    except ValueError:  # somebody edited it
        return {}


async def note(client: Client, pod: Pod, places: Places) -> None:
    """Write down how far on the pod. Raises ``KubeError``."""
    text = msgspec.json.encode(places).decode()
    body = {"metadata": {"uid": pod.metadata.uid, "annotations": {TOLD: text}}}
    metadata = pod.metadata
    await client.patch(PODS, metadata.name, metadata.namespace, body, how=Patch.MERGE)


async def note_in_time(client: Client, pod: Pod, places: Places, listener: Listener) -> None:
    """Write down how far, within the time that a process has that must end."""
    if not places:
        return
    try:
        async with asyncio.timeout(_IN_TIME):
            await note(client, pod, places)
    except (KubeError, TimeoutError) as error:
        listener.warning(f"Lines of the log may be told again, because it was not noted: {error!r}")


@asynccontextmanager
async def noting(
    client: Client,
    pod: Pod,
    places: Places,
    every: float | None,
    listener: Listener,
) -> AsyncIterator[None]:
    """Write down how far now and then while the block runs: soon at first, then rarer."""
    if every is None:
        yield
        return
    task = asyncio.create_task(_note_now_and_then(client, pod, places, every, listener))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _note_now_and_then(
    client: Client,
    pod: Pod,
    places: Places,
    every: float,
    listener: Listener,
) -> None:
    last: Places = {}
    pause = min(_SHORTEST, every)
    while True:
        await asyncio.sleep(pause)
        now = copy.deepcopy(places)
        if now == last:
            pause = min(_SHORTEST, every)  # after a quiet while the next line is noted soon
            continue
        await asyncio.sleep(_LAG)
        try:
            await note(client, pod, now)
        except KubeError as error:
            if not error.transient:
                listener.warning(f"How far the log was told cannot be noted on the pod: {error}")
                return
        last, pause = now, min(pause * 1.5, every)
