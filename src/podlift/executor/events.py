"""What Kubernetes' components had to say about pods."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable

from podlift.executor.execution import Execution
from podlift.executor.state import State
from podlift.executor.tasks import Tasks
from podlift.kube.client import Client
from podlift.kube.errors import KubeError
from podlift.kube.resources import EVENTS
from podlift.pods.reading import Event, Pod

logger = logging.getLogger(__name__)

Events = dict[str, list[Event]]
"""By the uid of their pod."""

_TIMEOUT = 10.0
_LIST_TIMEOUT = 60.0
_PAGE = 100
_TROUBLES = ",".join(
    [
        "involvedObject.kind=Pod",
        *(f"reason!={each}" for each in ("Scheduled", "Pulled", "Created", "Started", "Killing")),
    ]
)
"""Field selector without what every pod has."""
_PAUSE, _REST = 1.0, 4.0
"""Seconds from one list to the next, and how many times as long as the list took."""


async def events_of(client: Client, pod: Pod) -> list[Event]:
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
        return []
    return listing.items


class Looks:
    """Finds out what pods wait for that do not start: one list serves all of a namespace.

    The API server reads all events of a namespace for the events of one pod, and it is when it is
    busy that thousands of pods are late. ``see`` is called when something was found.
    """

    def __init__(self, client: Client, tasks: Tasks, see: Callable[[Execution, Pod], None]) -> None:
        self._client = client
        self._tasks = tasks
        self._see = see
        self._waiting: defaultdict[str, dict[str, Execution]] = defaultdict(dict)
        self._looking: set[str] = set()

    def ask(self, execution: Execution) -> None:
        """Look at the events of the execution's pod, soon."""
        namespace = execution.namespace
        self._waiting[namespace][execution.id] = execution
        if namespace not in self._looking:
            self._looking.add(namespace)
            self._tasks.spawn(self._look(namespace))

    async def _look(self, namespace: str) -> None:
        clock = asyncio.get_running_loop().time
        while waiting := self._waiting.pop(namespace, None):
            began = clock()
            found = await self._list(namespace)
            for execution in waiting.values():
                pod = execution.pod
                if found is None or pod is None or execution.record.state is not State.PENDING:
                    continue
                events = tuple(found.get(pod.metadata.uid, ()))
                if events or execution.events:
                    execution.events = events
                    self._see(execution, pod)
            del found
            await asyncio.sleep(max(_PAUSE, _REST * (clock() - began)))
        self._looking.discard(namespace)

    async def _list(self, namespace: str) -> Events | None:
        try:
            async with asyncio.timeout(_LIST_TIMEOUT):
                listing = await self._client.list(
                    EVENTS, namespace, field_selector=_TROUBLES, limit=_PAGE, type=Event
                )
        except (KubeError, TimeoutError) as error:
            logger.info("The events of namespace %s cannot be read: %s", namespace, error)
            return None
        found: Events = defaultdict(list)
        for event in listing.items:
            found[event.involved_object.uid].append(event)
        return found
