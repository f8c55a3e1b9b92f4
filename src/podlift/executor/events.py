"""What Kubernetes' components had to say about a pod."""

from __future__ import annotations

import asyncio
import logging

from podlift.kube.client import Client
from podlift.kube.errors import KubeError
from podlift.kube.resources import EVENTS
from podlift.pods.reading import Event, Pod

logger = logging.getLogger(__name__)

_TIMEOUT = 10.0


async def events_of(client: Client, pod: Pod) -> tuple[Event, ...]:
    """The pod's events. None where they cannot be read: they help, but nothing depends on them."""
    uid = pod.metadata.uid
    try:
        async with asyncio.timeout(_TIMEOUT):
            listing = await client.list(
                EVENTS,
                pod.metadata.namespace,
                field_selector=f"involvedObject.uid={uid}",
                type=Event,
            )
    except (KubeError, TimeoutError) as error:
        logger.info("The events of pod %s cannot be read: %s", pod.metadata.name, error)
        return ()
    return tuple(listing.items)
