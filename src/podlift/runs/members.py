"""The pods that an object makes: each is seen to its end, and its logs are told, by one watch."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field

from podlift.kube import EVENTS, PODS, Client, KubeError, watch
from podlift.pods.reading import Event, Pod
from podlift.runs.listening import Listener, Moment
from podlift.runs.noting import note_in_time, noted
from podlift.runs.options import RunOptions
from podlift.runs.outcome import Outcome
from podlift.runs.run import PodRun
from podlift.runs.watching import PodView

ListenerOf = Callable[[Pod], Listener]

_PATIENCE = 60.0
"""Seconds for pods to end that still run when the object's work is over."""


@dataclass
class Members:
    """The pods that a label selector finds. To be used as ``async with members.seen():``."""

    client: Client
    namespace: str
    selector: str
    owner: str
    """UID of the object, for its own events."""
    options: RunOptions
    listener: Listener
    listener_of: ListenerOf
    failed: asyncio.Future[Outcome] = field(init=False)
    """Set by the first pod that did not start in the time it was given."""

    def __post_init__(self) -> None:
        self.failed = asyncio.get_running_loop().create_future()
        self._views: dict[str, PodView] = {}
        self._runs: dict[str, asyncio.Task[Outcome]] = {}
        self._events: dict[str, list[Event]] = {}

    @asynccontextmanager
    async def seen(self) -> AsyncIterator[None]:
        """See to the pods for as long as the block runs."""
        watching = [asyncio.create_task(self._watch_events())]
        if self.selector:
            watching.append(asyncio.create_task(self._watch_pods()))
        try:
            yield
        finally:
            tasks = [*watching, *self._runs.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self.failed.cancel()

    async def told(self) -> list[Outcome]:
        """How the pods ended, in the order in which they were first seen, when all was told."""
        if not self._runs:
            return []
        done, _ = await asyncio.wait(self._runs.values(), timeout=_PATIENCE)
        ended = [each for each in self._runs.values() if each in done and not each.cancelled()]
        return [each.result() for each in ended if each.exception() is None]

    @asynccontextmanager
    async def tells(self, view: PodView) -> AsyncIterator[None]:
        """Keep a view current: the watch is there already, so it only needs to be known."""
        uid = view.pod.metadata.uid
        self._views[uid] = view
        for event in self._events.pop(uid, ()):
            view.heard(event)
        yield

    async def _watch_pods(self) -> None:
        news = watch(self.client, PODS, self.namespace, label_selector=self.selector, type=Pod)
        try:
            async with aclosing(news) as changes:
                async for each in changes:
                    if each.object is not None:
                        self._saw(each.object, gone=each.kind == "DELETED")
        except KubeError as error:
            self.listener.warning(f"The pods cannot be watched, so their logs are missing: {error}")
            for view in self._views.values():
                view.failed(error)

    def _saw(self, pod: Pod, *, gone: bool) -> None:
        uid = pod.metadata.uid
        if uid in self._views:
            self._views[uid].saw(pod, gone=gone)
        elif uid not in self._runs and not gone:
            self._runs[uid] = asyncio.create_task(self._see(pod))

    async def _see(self, pod: Pod) -> Outcome:
        listener = self.listener_of(pod)
        view = PodView(self.client, pod, listener.warning, self)
        self._views[pod.metadata.uid] = view
        await listener.reached(Moment.CREATED, pod)
        places = noted(pod)
        try:
            outcome = await PodRun(self.client, self.options, listener).see_to_its_end(view, places)
        except asyncio.CancelledError:
            if not view.gone:  # whoever goes on must know what was told
                await note_in_time(self.client, view.pod, places, listener)
            raise
        await listener.reached(Moment.TEARDOWN, view.pod)
        await listener.reached(Moment.CLEANED_UP, view.pod)
        if not outcome.started and not self.failed.done():
            self.failed.set_result(outcome)
        return outcome

    async def _watch_events(self) -> None:
        try:
            async with aclosing(watch(self.client, EVENTS, self.namespace, type=Event)) as changes:
                async for each in changes:
                    if each.object is not None and each.kind in ("ADDED", "MODIFIED"):
                        self._heard(each.object)
        except KubeError as error:
            self.listener.warning(f"Events cannot be read, so some causes stay unknown: {error}")

    def _heard(self, event: Event) -> None:
        uid = event.involved_object.uid
        if uid in self._views:
            self._views[uid].heard(event)
        elif uid == self.owner and event.type == "Warning" and self.options.tell_startup_events:
            self.listener.warning(f"Event {event.reason}: {event.message}")


def label_of(pod: Pod) -> str:
    """How lines of this pod are told from those of its siblings: its index, or its name's end."""
    index = pod.metadata.annotations.get("batch.kubernetes.io/job-completion-index")
    return index or pod.metadata.name.rpartition("-")[2]
