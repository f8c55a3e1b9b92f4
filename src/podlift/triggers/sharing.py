"""One client and one watch per cluster and namespace, for all the triggers of a process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from podlift.runs.objects_watching import SharedWatches
from podlift.runs.sharing import NamespaceWatch

if TYPE_CHECKING:
    from podlift.hooks.kubernetes import KubernetesHook
    from podlift.kube import Client


class SharedCluster:
    """A cluster as several triggers use it at once."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.objects = SharedWatches(client)
        """Tells of Jobs and other objects."""
        self._watches: dict[str, NamespaceWatch] = {}

    def watch(self, namespace: str) -> NamespaceWatch:
        """The one watch of a namespace; it runs while somebody listens to it."""
        if namespace not in self._watches:
            self._watches[namespace] = NamespaceWatch(self.client, namespace)
        return self._watches[namespace]


class _Place:
    """Where a cluster is kept while somebody uses it."""

    def __init__(self) -> None:
        self.users = 0
        self.lock = asyncio.Lock()
        self.cluster: SharedCluster | None = None
        self.closing = AsyncExitStack()


_places: dict[tuple[asyncio.AbstractEventLoop, str], _Place] = {}


@asynccontextmanager
async def shared_cluster(hook: KubernetesHook) -> AsyncIterator[SharedCluster]:
    """The cluster that a hook reaches; the first opens it, the last closes it.

    Hooks of the same arguments share one, so a change of the Airflow connection is seen when
    nobody uses the old one any more. Raises ``ConfigurationError``.
    """
    key = (asyncio.get_running_loop(), json.dumps(hook.arguments(), sort_keys=True))
    place = _places.setdefault(key, _Place())
    place.users += 1
    try:
        async with place.lock:
            if place.cluster is None:
                client = await place.closing.enter_async_context(hook.client())
                place.cluster = SharedCluster(client)
        yield place.cluster
    finally:
        place.users -= 1
        if not place.users:
            _places.pop(key, None)
            await place.closing.aclose()
