"""What Kubernetes' components had to say about pods."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable

from podlift.executor.execution import Execution
from podlift.executor.state import State
from podlift.executor.tasks import Tasks
from podlift.kube.client import Client
from podlift.kube.errors import KubeError
from podlift.kube.resources import EVENTS
from podlift.pods.reading import Event, Pod

logger = logging.getLogger(__name__)

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
    meta = pod.metadata
    fields = f"involvedObject.uid={meta.uid}"
    return await _read(client, meta.namespace, fields, _TIMEOUT, f"pod {meta.name}") or []


async def _read(
    client: Client, namespace: str, fields: str, timeout: float, whose: str
) -> list[Event] | None:
    """The events of a field selector; None, with a word in the log, if they cannot be read."""
    try:
        async with asyncio.timeout(timeout):
            listing = await client.list(
                EVENTS, namespace, field_selector=fields, limit=_PAGE, type=Event
            )
    except (KubeError, TimeoutError) as error:
        logger.info("The events of %s cannot be read: %s", whose, error)
        return None
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
            events = await _read(
                self._client, namespace, _TROUBLES, _LIST_TIMEOUT, f"namespace {namespace}"
            )
            if events is not None:
                self._show(waiting.values(), events)
            del events
            await asyncio.sleep(max(_PAUSE, _REST * (clock() - began)))
        self._looking.discard(namespace)

    def _show(self, waiting: Iterable[Execution], events: Iterable[Event]) -> None:
        of_pod: defaultdict[str, list[Event]] = defaultdict(list)
        for event in events:
            of_pod[event.involved_object.uid].append(event)
        for execution in waiting:
            pod = execution.pod
            if pod is None or execution.record.state is not State.PENDING:
                continue
            found = tuple(of_pod.get(pod.metadata.uid, ()))
            if found or execution.events:
                execution.events = found
                self._see(execution, pod)
