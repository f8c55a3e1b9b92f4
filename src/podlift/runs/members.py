"""The pods that an object makes: each is seen to its end, and its logs are told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from podlift.kube import PODS, Client, KubeError
from podlift.kube.pacing import repeated
from podlift.pods.reading import Event, Pod
from podlift.runs.listening import Listener, Moment
from podlift.runs.noting import note_in_time, noted
from podlift.runs.objects import Reference
from podlift.runs.objects_watching import Watches
from podlift.runs.options import RunOptions
from podlift.runs.outcome import Outcome
from podlift.runs.run import PodRun
from podlift.runs.watching import PodView

ListenerOf = Callable[[Pod], Listener]

_PATIENCE = 60.0
"""Seconds for pods to end that still run when the object's work is over."""
_LIST_PATIENCE = 10.0


@dataclass
class Members:
    """The pods of an object. To be used as ``async with members.seen():``."""

    client: Client
    watches: Watches
    of: Reference
    pods: str
    """Which pods are the object's, a label selector with ``{name}`` and ``{uid}``; or none."""
    options: RunOptions
    listener: Listener
    listener_of: ListenerOf
    failed: asyncio.Future[Outcome] = field(init=False)
    """Set by the first pod that did not start in the time it was given."""

    def __post_init__(self) -> None:
        self.failed = asyncio.get_running_loop().create_future()
        self._views: dict[str, PodView] = {}
        self._runs: dict[str, asyncio.Task[Outcome]] = {}

    @asynccontextmanager
    async def seen(self) -> AsyncIterator[None]:
        """See to the pods for as long as the block runs."""
        watching = [asyncio.create_task(self._hear_of_object())]
        if self.pods:
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
        await self._catch_up()
        if not self._runs:
            return []
        done, _ = await asyncio.wait(self._runs.values(), timeout=_PATIENCE)
        ended = [each for each in self._runs.values() if each in done and not each.cancelled()]
        return [each.result() for each in ended if each.exception() is None]

    @asynccontextmanager
    async def tells(self, view: PodView) -> AsyncIterator[None]:
        """Keep a view current: the pods are watched already, so only events are missing."""
        hearing = asyncio.create_task(self._hear_of_pod(view))
        try:
            yield
        finally:
            hearing.cancel()
            await asyncio.gather(hearing, return_exceptions=True)

    async def _watch_pods(self) -> None:
        try:
            async with self.watches.of_pods(self.of, self.pods) as news:
                async for each in news:
                    if each.object is not None:
                        self._saw(each.object, gone=each.kind == "DELETED")
        except KubeError as error:
            self.listener.warning(f"The pods cannot be watched, so their logs are missing: {error}")
            for view in self._views.values():
                view.failed(error)

    async def _catch_up(self) -> None:
        """Ask once for the pods: the news of the object's end may have come before theirs."""
        if not self.pods:
            return
        selector, namespace = self.of.selector(self.pods), self.of.namespace
        try:
            listing = await repeated(
                lambda: self.client.list(PODS, namespace, label_selector=selector, type=Pod),
                _LIST_PATIENCE,
            )
        except KubeError as error:
            self.listener.warning(f"The pods cannot be listed, so logs may be missing: {error}")
            return
        for pod in listing.items:
            self._saw(pod)

    def _saw(self, pod: Pod, *, gone: bool = False) -> None:
        uid = pod.metadata.uid
        if uid in self._views:
            self._views[uid].saw(pod, gone=gone)
        elif not gone:
            listener = self.listener_of(pod)
            view = self._views[uid] = PodView(self.client, pod, listener.warning, self)
            self._runs[uid] = asyncio.create_task(self._see(view, listener))

    async def _see(self, view: PodView, listener: Listener) -> Outcome:
        await listener.reached(Moment.CREATED, view.pod)
        places = noted(view.pod)
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

    async def _hear_of_object(self) -> None:
        try:
            async with self.watches.said_of(self.of.uid, self.of.namespace) as news:
                async for each in news:
                    if each.object is not None and each.kind != "DELETED":
                        self._tell(each.object)
        except KubeError as error:
            self.listener.warning(f"Events cannot be read, so some causes stay unknown: {error}")

    async def _hear_of_pod(self, view: PodView) -> None:
        metadata = view.pod.metadata
        try:
            async with self.watches.said_of(metadata.uid, metadata.namespace) as news:
                async for each in news:
                    if each.object is not None and each.kind != "DELETED":
                        view.heard(each.object)
        except KubeError:
            return  # who hears of the object has said why

    def _tell(self, event: Event) -> None:
        if event.type == "Warning" and self.options.tell_startup_events:
            self.listener.warning(f"Event {event.reason}: {event.message}")


def label_of(pod: Pod) -> str:
    """How lines of this pod are told from those of its siblings: its index, or its name's end."""
    index = pod.metadata.annotations.get("batch.kubernetes.io/job-completion-index")
    return index or pod.metadata.name.rpartition("-")[2]
