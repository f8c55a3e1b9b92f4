"""The logs of several containers at once, each from its start to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from podlift.kube import Client
from podlift.pods.reading import Pod, container_status, has_started, is_finished
from podlift.runs.following import LogFollower
from podlift.runs.listening import Listener
from podlift.runs.options import Containers, RunOptions
from podlift.runs.watching import PodView


class LogsOfPod:
    """Follows the wanted containers as they start; to be used as an async context manager."""

    def __init__(
        self, client: Client, view: PodView, options: RunOptions, listener: Listener
    ) -> None:
        self._client = client
        self._view = view
        self._options = options
        self._listener = listener
        self._ends: dict[str, asyncio.Event] = {}
        self._following: dict[str, asyncio.Task[None]] = {}
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
        tasks = [self._starting, *self._following.values()]
        running = [task for task in tasks if task is not None]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def told(self) -> None:
        """Return when all was told that the containers wrote until now; others are cut off here."""
        self._begin_and_end()
        for ended in self._ends.values():
            ended.set()
        await asyncio.gather(*self._following.values())

    async def _keep_up(self) -> None:
        while True:
            self._begin_and_end()
            await self._view.change()

    def _begin_and_end(self) -> None:
        pod = self._view.pod
        for container in _wanted(pod, self._options):
            if container not in self._following and has_started(pod, container):
                self._ends[container] = asyncio.Event()
                self._following[container] = asyncio.create_task(self._follow(container))
            status = container_status(pod, container)
            over = self._view.gone or is_finished(pod) or (status and status.state.terminated)
            if container in self._ends and over:
                self._ends[container].set()

    async def _follow(self, container: str) -> None:
        metadata = self._view.pod.metadata
        follower = LogFollower(
            self._client,
            metadata.name,
            metadata.namespace,
            container,
            lambda line: self._listener.line(container, line),
            self._listener.warning,
        )
        await follower.follow(self._ends[container])


def _wanted(pod: Pod, options: RunOptions) -> Iterator[str]:
    init = [each.name for each in pod.spec.init_containers]
    plain = [each.name for each in pod.spec.containers or ()]
    yield from _chosen(init, options.init_logs_of)
    yield from _chosen(plain, options.logs_of)


def _chosen(names: list[str], wanted: Containers) -> Iterator[str]:
    yield from (name for name in names if wanted is True or name in wanted)
