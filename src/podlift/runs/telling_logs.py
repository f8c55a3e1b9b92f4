"""The logs of several containers at once, each from its start to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import partial
from types import TracebackType
from typing import Self

from podlift.kube import Client
from podlift.pods.reading import Pod, container_status, exit_code, has_started, is_finished
from podlift.runs.following import LogFollower
from podlift.runs.listening import Listener
from podlift.runs.options import Containers, RunOptions
from podlift.runs.positions import Place, Places
from podlift.runs.sidecar import CONTAINER
from podlift.runs.watching import PodView


class LogsOfPod:
    """Follows the wanted containers as they start; to be used as an async context manager.

    ``places`` says up to where each log was told before, and is kept current.
    """

    def __init__(
        self,
        client: Client,
        view: PodView,
        options: RunOptions,
        listener: Listener,
        places: Places | None = None,
    ) -> None:
        self._client = client
        self._view = view
        self._options = options
        self._listener = listener
        self._places = {} if places is None else places
        self._followers: dict[str, LogFollower] = {}
        self._following: list[asyncio.Task[None]] = []
        self._starting: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._starting = asyncio.create_task(self._keep_up())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        tasks = [self._starting, *self._following]
        running = [task for task in tasks if task is not None]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def told(self) -> None:
        """Return when all was told that the containers wrote until now; others are cut off here."""
        self._begin_and_end()
        for follower in self._followers.values():
            follower.cut_off()
        await asyncio.gather(*self._following)

    async def _keep_up(self) -> None:
        while True:
            self._begin_and_end()
            await self._view.change()

    def _begin_and_end(self) -> None:
        pod = self._view.pod
        for container in _wanted(pod, self._options):
            if container not in self._followers and has_started(pod, container):
                self._begin(container)
            if container in self._followers and (self._view.gone or _is_over(pod, container)):
                self._followers[container].end()

    def _begin(self, container: str) -> None:
        metadata = self._view.pod.metadata
        follower = self._followers[container] = LogFollower(
            self._client,
            metadata.name,
            metadata.namespace,
            container,
            partial(self._listener.line, container),
            self._listener.warning,
            place=self._places.setdefault(container, Place()),
            restarts=partial(self._restarts, container),
        )
        self._following.append(asyncio.create_task(follower.follow()))

    def _restarts(self, container: str) -> int:
        status = container_status(self._view.pod, container)
        return status.restart_count if status else 0


def _is_over(pod: Pod, container: str) -> bool:
    """Whether it has ended for good: a sidecar that ends is started again."""
    if is_finished(pod):
        return True
    status = container_status(pod, container)
    if status is None or status.state.terminated is None:
        return False
    return not any(
        each.name == container and each.restart_policy == "Always"
        for each in pod.spec.init_containers
    )


def untold(pod: Pod, options: RunOptions) -> Iterator[str]:
    """Containers that ran and did not end well, and whose logs are not told. Pure."""
    told = {*_wanted(pod, options), CONTAINER}
    containers = [*pod.spec.init_containers, *(pod.spec.containers or ())]
    for name in (each.name for each in containers if each.name not in told):
        if has_started(pod, name) and exit_code(pod, name) != 0:
            yield name


def _wanted(pod: Pod, options: RunOptions) -> Iterator[str]:
    init = [each.name for each in pod.spec.init_containers]
    plain = [each.name for each in pod.spec.containers or ()]
    yield from _chosen(init, options.init_logs_of)
    yield from _chosen(plain, options.logs_of)


def _chosen(names: list[str], wanted: Containers) -> Iterator[str]:
    yield from (name for name in names if wanted is True or name in wanted)
