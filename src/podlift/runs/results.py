"""Read the result that a pod's sidecar hands over."""

from __future__ import annotations

import asyncio
import json
import random
import time
from contextlib import aclosing
from typing import Any

from podlift.kube import PODS, Client, KubeError, NotFound, Patch
from podlift.kube.pacing import Backoff
from podlift.pods.reading import Pod, container_status, is_finished
from podlift.runs.errors import ResultNotRead
from podlift.runs.sidecar import CONTAINER, FILE, is_whole, unpack
from podlift.runs.watching import PodView

_PATIENCE = 90.0
"""Seconds for the sidecar to end, and for the API server to come back if it is away."""
_SHOWN = 200


async def read_result(client: Client, view: PodView) -> str | None:
    """The JSON text that the base container left; None if it left nothing.

    To be called when the base container has ended; ``view`` must be kept current. Raises
    ``ResultNotRead`` in a sentence.
    """
    content = unpack(await _handed_over(client, view, time.monotonic() + _PATIENCE))
    if content is None or not content.strip():
        return None
    return _checked(content)


def parsed(text: str | None) -> Any:
    """The value of a result."""
    return None if text is None else json.loads(text)


def _checked(content: bytes) -> str:
    try:
        text = content.decode("utf-8")
        json.loads(text)
    except ValueError as error:
        first = content.lstrip().split(b"\n", 1)[0][:_SHOWN].decode("utf-8", "replace")
        raise ResultNotRead(f"{FILE} is not JSON ({error}). It begins with: {first}") from error
    return text


async def _handed_over(client: Client, view: PodView, deadline: float) -> bytes:
    """The sidecar's log, as soon as it is whole.

    That the sidecar has ended, a node may say late: when other sidecars have ended too.
    """
    following = asyncio.ensure_future(_follow(client, view.pod))
    ending = asyncio.ensure_future(_see_the_sidecar_end(client, view, deadline))
    try:
        await asyncio.wait({following, ending}, return_when=asyncio.FIRST_COMPLETED)
        if following.done() and (log := following.result()):
            return log
        await ending
    finally:
        following.cancel()
        ending.cancel()
        await asyncio.gather(following, ending, return_exceptions=True)
    return await _whole_log(client, view.pod, deadline)


async def _follow(client: Client, pod: Pod) -> bytes:
    """The log when it is whole; nothing if the connection ends before."""
    metadata = pod.metadata
    log = bytearray()
    pieces = client.log_pieces(metadata.name, metadata.namespace, CONTAINER, follow=True)
    try:
        async with aclosing(pieces):
            async for piece in pieces:
                log += piece
                if is_whole(log):
                    return bytes(log)
    except KubeError:
        return b""  # once the sidecar has ended, the log is read again
    return b""


async def _see_the_sidecar_end(client: Client, view: PodView, deadline: float) -> None:
    told = False
    while not _has_ended(view.pod):
        if view.gone:
            raise ResultNotRead("The pod was gone before its result could be read.")
        if not told and _others_run(view.pod):
            # Kubernetes ends the sidecar when every plain container has ended; those that would go
            # on, nobody needs any more.
            told = await _end_all(client, view.pod)
        if not await view.change(deadline - time.monotonic()):
            raise ResultNotRead(f"Container {CONTAINER} does not end, so there is no result.")


def _has_ended(pod: Pod) -> bool:
    status = container_status(pod, CONTAINER)
    return is_finished(pod) or (status is not None and status.state.terminated is not None)


def _others_run(pod: Pod) -> bool:
    return any(status.state.running for status in pod.status.container_statuses)


async def _end_all(client: Client, pod: Pod) -> bool:
    """Have the node end what still runs, and keep the pod: its time is up."""
    metadata = pod.metadata
    patch = {"spec": {"activeDeadlineSeconds": 1}}
    try:
        await client.patch(PODS, metadata.name, metadata.namespace, patch, how=Patch.MERGE)
    except KubeError as error:
        if not error.transient:
            raise ResultNotRead(
                f"Containers beside the base container still run and cannot be ended: {error}"
            ) from error
        return False
    return True


async def _whole_log(client: Client, pod: Pod, deadline: float) -> bytes:
    """The log, asked for again while its end is missing: a node may be late to write it."""
    metadata = pod.metadata
    backoff = Backoff(random.random)
    log = b""
    while True:
        try:
            log = await client.read_log(metadata.name, metadata.namespace, CONTAINER)
        except NotFound:
            raise ResultNotRead("The pod was gone before its result could be read.") from None
        except KubeError as error:
            if time.monotonic() > deadline:
                raise ResultNotRead(f"The result cannot be read: {error}") from error
        if is_whole(log) or time.monotonic() > deadline or backoff.failures > 5:
            return log
        await asyncio.sleep(backoff.next())
