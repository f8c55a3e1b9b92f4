"""What is known of one pod right now, kept current by watches."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager

from podlift.kube import EVENTS, PODS, Client, Forbidden, KubeError, watch
from podlift.pods.reading import Event, Pod
from podlift.runs.errors import PodNotObserved

Warn = Callable[[str], object]


class PodView:
    """The pod as last seen and its events. Whoever waits for a change awaits ``change``."""

    def __init__(self, client: Client, pod: Pod, warn: Warn) -> None:
        self.pod = pod
        self.gone = False
        """The API server no longer has the pod; ``pod`` is the last that was seen of it."""
        self._failure: KubeError | None = None
        self._events: dict[str, Event] = {}
        self._client = client
        self._warn = warn
        self._news: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def events(self) -> list[Event]:
        return list(self._events.values())

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
        """Watch the pod and its events for as long as the block runs."""
        tasks = [
            asyncio.ensure_future(self._watch_pod()),
            asyncio.ensure_future(self._watch_events()),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def refresh_events(self) -> None:
        """Ask once for the events: those that explain an end may come after it."""
        try:
            listing = await self._client.list(
                EVENTS,
                self.pod.metadata.namespace,
                field_selector=self._event_selector,
                type=Event,
            )
        except KubeError:
            return  # the watch has said why, if it is for good
        for event in listing.items:
            self._add_event(event)

    async def _watch_pod(self) -> None:
        metadata = self.pod.metadata
        selector = f"metadata.name={metadata.name}"
        news = watch(self._client, PODS, metadata.namespace, type=Pod, field_selector=selector)
        seen = False
        try:
            async with aclosing(news) as changes:
                async for each in changes:
                    if each.object is not None and each.object.metadata.uid == metadata.uid:
                        seen = True
                        self.pod = each.object
                        self.gone = each.kind == "DELETED"
                    elif each.kind == "SYNCED" and not seen:
                        self.gone = True
                    self._tell()
        except KubeError as error:
            self._failure = error
            self._tell()

    async def _watch_events(self) -> None:
        news = watch(
            self._client,
            EVENTS,
            self.pod.metadata.namespace,
            type=Event,
            field_selector=self._event_selector,
        )
        try:
            async with aclosing(news) as changes:
                async for each in changes:
                    if each.object is not None and each.kind != "DELETED":
                        self._add_event(each.object)
        except Forbidden as error:
            self._warn(f"The pod's events cannot be read, so some causes stay unknown: {error}")
        except KubeError as error:
            self._warn(f"The pod's events cannot be watched: {error}")

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.get_running_loop().create_future()
        news.set_result(None)

    @property
    def _event_selector(self) -> str:
        metadata = self.pod.metadata
        return f"involvedObject.name={metadata.name},involvedObject.uid={metadata.uid}"

    def _add_event(self, event: Event) -> None:
        if event.involved_object.uid == self.pod.metadata.uid:
            self._events[event.metadata.name] = event
            self._tell()
