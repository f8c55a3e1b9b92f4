"""One watch for any number of pods: the pods that operators made in one namespace."""

from __future__ import annotations

import asyncio
import contextvars
import random
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

from podlift.kube import EVENTS, PODS, Client, KubeError, NotFound, watch
from podlift.kube.pacing import Backoff
from podlift.pods.labels import COMPONENT, MANAGED_BY, PODLIFT
from podlift.pods.reading import Event, Pod
from podlift.runs.watching import PodView

_LABELS = {MANAGED_BY: PODLIFT, COMPONENT: "operator"}


def is_covered(pod: Pod) -> bool:
    """Whether a ``NamespaceWatch`` sees this pod. Pure."""
    return _LABELS.items() <= pod.metadata.labels.items()


class NamespaceWatch:
    """Watches the operators' pods of a namespace, and their events, while anybody wants to know.

    It costs two connections, however many pods there are. A pod that the watch does not know when
    somebody asks for it is looked up once: it may have been created or deleted this very moment.
    """

    def __init__(self, client: Client, namespace: str) -> None:
        self._client = client
        self._namespace = namespace
        self._views: dict[str, list[PodView]] = {}
        self._pods: dict[str, Pod] = {}
        self._synced = asyncio.Event()
        self._failure: KubeError | None = None
        self._no_events: KubeError | None = None
        self._tasks: list[asyncio.Task[None]] = []

    @asynccontextmanager
    async def tells(self, view: PodView) -> AsyncIterator[None]:
        """Keep a view current for as long as the block runs; the first starts, the last stops."""
        uid = view.pod.metadata.uid
        self._views.setdefault(uid, []).append(view)
        if not self._tasks:
            self._tasks = [_apart(self._watch_pods()), _apart(self._watch_events())]
        looking_up = asyncio.ensure_future(self._catch_up(view))
        try:
            yield
        finally:
            looking_up.cancel()
            self._views[uid].remove(view)
            if not self._views[uid]:
                del self._views[uid]
            await asyncio.gather(looking_up, *self._stopped(), return_exceptions=True)

    def _stopped(self) -> list[asyncio.Task[None]]:
        """The tasks that nobody needs any more, told to end."""
        if self._views:
            return []
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        self._pods.clear()
        self._synced, self._failure, self._no_events = asyncio.Event(), None, None
        return tasks

    async def _catch_up(self, view: PodView) -> None:
        """Tell a newcomer what is known already."""
        if self._no_events is not None:
            view.missed_events(self._no_events)
        if self._failure is not None:
            view.failed(self._failure)
            return
        await self._synced.wait()
        known = self._pods.get(view.pod.metadata.uid)
        if known is None:
            await self._look_up(view)
        else:
            view.saw(known)

    async def _look_up(self, view: PodView) -> None:
        metadata, backoff = view.pod.metadata, Backoff(random.random)
        while metadata.uid not in self._pods:
            try:
                pod = await self._client.get(PODS, metadata.name, metadata.namespace, type=Pod)
            except NotFound:
                view.vanished()
                return
            except KubeError as error:
                if not error.transient:
                    view.failed(error)
                    return
                await asyncio.sleep(backoff.next(error))
            else:
                if pod.metadata.uid == metadata.uid:
                    view.saw(pod)
                else:
                    view.vanished()
                return

    async def _watch_pods(self) -> None:
        selector = ",".join(f"{name}={value}" for name, value in _LABELS.items())
        news = watch(self._client, PODS, self._namespace, type=Pod, label_selector=selector)
        try:
            async with aclosing(news) as changes:
                async for each in changes:
                    if each.object is not None:
                        self._see(each.object, gone=each.kind == "DELETED")
                    elif each.kind == "SYNCED":
                        self._synced.set()
        except KubeError as error:
            self._failure = error
            for view in self._all_views():
                view.failed(error)

    def _see(self, pod: Pod, *, gone: bool) -> None:
        uid = pod.metadata.uid
        if gone:
            self._pods.pop(uid, None)
        else:
            self._pods[uid] = pod
        for view in self._views.get(uid, ()):
            view.saw(pod, gone=gone)

    async def _watch_events(self) -> None:
        selector = "involvedObject.kind=Pod"
        news = watch(self._client, EVENTS, self._namespace, type=Event, field_selector=selector)
        try:
            async with aclosing(news) as changes:
                async for each in changes:
                    if each.object is not None and each.kind != "DELETED":
                        for view in self._views.get(each.object.involved_object.uid, ()):
                            view.heard(each.object)
        except KubeError as error:
            self._no_events = error
            for view in self._all_views():
                view.missed_events(error)

    def _all_views(self) -> Iterator[PodView]:
        return (view for views in list(self._views.values()) for view in list(views))


def _apart(coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """A task that belongs to nobody: what it logs does not go into the log of who came first."""
    return asyncio.create_task(coroutine, context=contextvars.Context())
