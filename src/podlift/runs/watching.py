"""What is known of one pod right now, kept current by watches."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import Protocol

from podlift.kube import EVENTS, PODS, Client, Forbidden, KubeError, watch
from podlift.pods.reading import Event, Pod
from podlift.runs.errors import PodNotObserved

Warn = Callable[[str], object]


class Watch(Protocol):
    """Something that sees pods and their events, and tells each view of its own."""

    def tells(self, view: PodView) -> AbstractAsyncContextManager[None]:
        """Keep a view current for as long as the block runs."""


class PodView:
    """The pod as last seen and its events. Whoever waits for a change awaits ``change``.

    ``watch`` tells it what happens; by default it is one for this pod alone.
    """

    def __init__(self, client: Client, pod: Pod, warn: Warn, watch: Watch | None = None) -> None:
        self.pod = pod
        self.gone = False
        """The API server no longer has the pod; ``pod`` is the last that was seen of it."""
        self._failure: KubeError | None = None
        self._events: dict[str, Event] = {}
        self._client = client
        self._warn = warn
        # What a shared watch says of this pod belongs into the log of the task that asks for it.
        self._context = contextvars.copy_context()
        self._watch = watch or _OwnWatch(client)
        self._news: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def events(self) -> list[Event]:
        return list(self._events.values())

    @property
    def event_selector(self) -> str:
        """Which events are the pod's."""
        metadata = self.pod.metadata
        return f"involvedObject.name={metadata.name},involvedObject.uid={metadata.uid}"

    async def change(self, timeout: float | None = None) -> bool:
        """Wait until something new is known; False when ``timeout`` seconds pass before.

        Several may wait at once. What came between two calls is not waited for again, so look at
        ``pod`` in between. Raises ``PodNotObserved`` when the pod cannot be watched any more.
        """
        if self._failure is None:
            news = self._news
            await asyncio.wait({news}, timeout=timeout)
            if not news.done():
                return False
        if self._failure is not None:
            raise PodNotObserved(
                f"Pod {self.pod.metadata.name} cannot be watched: {self._failure}"
            ) from self._failure
        return True

    @asynccontextmanager
    async def kept_current(self) -> AsyncIterator[None]:
        """Hear of the pod and its events for as long as the block runs."""
        async with self._watch.tells(self):
            yield

    async def refresh_events(self) -> None:
        """Ask once for the events: those that explain an end may come after it."""
        namespace = self.pod.metadata.namespace
        try:
            listing = await self._client.list(
                EVENTS, namespace, field_selector=self.event_selector, type=Event
            )
        except KubeError:
            return  # the watch has said why, if it is for good
        for event in listing.items:
            self.heard(event)

    # What a watch calls

    def saw(self, pod: Pod, *, gone: bool = False) -> None:
        """The pod is now like this; with ``gone``, this was the last of it."""
        self.pod, self.gone = pod, gone
        self._tell()

    def vanished(self) -> None:
        """The API server no longer has the pod."""
        self.gone = True
        self._tell()

    def heard(self, event: Event) -> None:
        """Something was said of a pod, perhaps of this one."""
        if event.involved_object.uid == self.pod.metadata.uid:
            self._events[event.metadata.name] = event
            self._tell()

    def failed(self, error: KubeError) -> None:
        """The pod cannot be watched, now or later."""
        self._failure = error
        self._tell()

    def missed_events(self, error: KubeError) -> None:
        """Its events stay unknown."""
        if isinstance(error, Forbidden):
            text = f"The pod's events cannot be read, so some causes stay unknown: {error}"
        else:
            text = f"The pod's events cannot be watched: {error}"
        self._context.copy().run(self._warn, text)

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.get_running_loop().create_future()
        news.set_result(None)


class _OwnWatch:
    """Watches one pod and its events."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @asynccontextmanager
    async def tells(self, view: PodView) -> AsyncIterator[None]:
        tasks = [
            asyncio.ensure_future(self._watch_pod(view)),
            asyncio.ensure_future(self._watch_events(view)),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch_pod(self, view: PodView) -> None:
        metadata = view.pod.metadata
        selector = f"metadata.name={metadata.name}"
        news = watch(self._client, PODS, metadata.namespace, type=Pod, field_selector=selector)
        seen = False
        try:
            async with aclosing(news) as changes:
                async for each in changes:
                    if each.object is not None and each.object.metadata.uid == metadata.uid:
                        seen = True
                        view.saw(each.object, gone=each.kind == "DELETED")
                    elif each.kind == "SYNCED" and not seen:
                        view.vanished()
        except KubeError as error:
            view.failed(error)

    async def _watch_events(self, view: PodView) -> None:
        namespace, selector = view.pod.metadata.namespace, view.event_selector
        news = watch(self._client, EVENTS, namespace, type=Event, field_selector=selector)
        try:
            async with aclosing(news) as changes:
                async for each in changes:
                    if each.object is not None and each.kind != "DELETED":
                        view.heard(each.object)
        except KubeError as error:
            view.missed_events(error)
