"""The log of a pod that somebody is deleting: followed to its end, because it goes with the pod.

Between the request to delete a pod and its end its containers have some seconds to stop. Whoever
waits for the end finds the pod gone, and its log with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from podlift.executor.archive import Draft
from podlift.executor.copying import Copied, Copier, InThread
from podlift.kube.errors import KubeError
from podlift.pods.reading import Pod

_GRACE = 30.0
"""Seconds that Kubernetes gives containers to stop, where nothing else is said."""
_MARGIN = 15.0
_AFTER_THE_END = 5.0
"""Seconds that the rest of a log may take to arrive once its pod is gone."""
_CUT_OFF = "The end of the log may be missing"


class Salvage:
    """Follows one pod's log. Whoever keeps the log ``take``s it; else it is to be ``discard``ed.

    ``is_here`` says whether the worker writes its log to this machine itself; it may block.
    """

    def __init__(
        self,
        copier: Copier,
        in_thread: InThread,
        pod: Pod,
        draft: Draft,
        is_here: Callable[[], bool],
    ) -> None:
        self.uid = pod.metadata.uid
        self.draft = draft
        self._in_thread = in_thread
        self._is_here = is_here
        self._attempt = copier.attempt(pod, draft)
        grace = pod.metadata.deletion_grace_period_seconds
        self._patience = _MARGIN + (_GRACE if grace is None else grace)
        self._gap = ""
        self._over = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._unwanted = False

    async def run(self) -> None:
        """Follow the log until the container ends, in the background. Raises nothing."""
        self._task = asyncio.ensure_future(self._follow())
        try:
            await asyncio.wait({self._task})
        finally:  # also when everything is stopped
            self._task.cancel()
            self._over.set()

    async def take(self) -> Copied:
        """What there is of the log when the pod is gone. Raises ``OSError``."""
        assert self._task is not None  # ``run`` was called first
        await asyncio.wait({self._task}, timeout=_AFTER_THE_END)
        if not self._task.done():
            self._gap = f"{_CUT_OFF}: it did not come in time."
            self._task.cancel()
            await asyncio.wait({self._task})
        if not self._task.cancelled() and (error := self._task.exception()) is not None:
            raise error
        return self._attempt.copied(self._gap)

    async def discard(self) -> None:
        """Nobody will take it."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        await self._in_thread(self.draft.abandon)

    async def _follow(self) -> None:
        if await self._in_thread(self._is_here):
            return
        try:
            async with asyncio.timeout(self._patience):
                await self._attempt.follow()
        except TimeoutError:
            self._gap = f"{_CUT_OFF}: the container did not end in time."
        except KubeError as error:
            self._gap = f"{_CUT_OFF}: {error}"
