"""Work in the background of the engine's loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


class Tasks:
    """Keeps hold of background tasks; ``broken`` hears of the first that fails unexpectedly."""

    def __init__(self, broken: Callable[[BaseException], None]) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._broken = broken

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run it until it ends or everything is stopped."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._broken(error)

    async def stop(self, patience: float) -> None:
        """Give running work ``patience`` seconds, then cancel what is left."""
        pending = set(self._tasks)
        if pending and patience:
            _, pending = await asyncio.wait(pending, timeout=patience)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
