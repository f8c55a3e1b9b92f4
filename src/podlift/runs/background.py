"""Run a coroutine so that signals still reach the task.

Airflow interrupts a task by signals: its handlers call ``on_kill`` or raise the timeout's exception
in the middle of whatever the main thread is doing. In the middle of an event loop that would break
the loop, so the loop has a thread of its own and the main thread only waits.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Background(Generic[T]):
    """One coroutine, run once, in an event loop in a thread of its own."""

    def __init__(self, make: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self._make = make
        self._done: Future[T] = Future()
        self._over = threading.Event()
        self._stopped = False
        self._running: tuple[asyncio.AbstractEventLoop, asyncio.Task[T]] | None = None

    def result(self) -> T:
        """Run it and wait for its result.

        Raises what it raises, ``concurrent.futures.CancelledError`` after ``stop``. An exception
        that a signal handler raises here stops it, waits until it has cleaned up, and goes on.
        """
        # Log records of the thread belong to the task as those of the main thread do.
        context = contextvars.copy_context()
        try:
            # A handler may raise at any moment, also while the thread is being started.
            threading.Thread(target=context.run, args=(self._run,), name="podlift-pod").start()
            return self._done.result()
        finally:
            has_begun = not self._done.cancel()  # what has not begun never will
            if has_begun:
                self.stop()
                self._over.wait()

    def stop(self) -> None:
        """Cancel it, from any thread or signal handler; only the first call does something."""
        if self._stopped or self._done.done():
            return
        self._stopped = True
        if self._running is not None:
            loop, task = self._running
            with suppress(RuntimeError):  # it has ended this very moment, and the loop is closed
                loop.call_soon_threadsafe(task.cancel)

    def _run(self) -> None:
        if self._done.set_running_or_notify_cancel():
            try:
                asyncio.run(self._main())
            finally:
                self._over.set()

    async def _main(self) -> None:
        task = asyncio.ensure_future(self._make())
        self._running = (asyncio.get_running_loop(), task)
        if self._stopped:  # before there was anything to cancel
            task.cancel()
        await asyncio.wait({task})
        if task.cancelled():
            self._done.set_exception(CancelledError())
        elif (error := task.exception()) is not None:
            self._done.set_exception(error)
        else:
            self._done.set_result(task.result())
