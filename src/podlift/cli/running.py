"""Run a coroutine as a command: Ctrl-C, SIGTERM and a closed terminal stop it in good order."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_INTERRUPTED = 130


def run_until_stopped(work: Coroutine[Any, Any, T], *, stopped_is_success: bool = False) -> T:
    """Run `work` to its end and return its result.

    When it is stopped from outside its `finally` blocks run; then the process exits with 0 if
    `stopped_is_success`, else with 130, as a shell expects after Ctrl-C.
    """
    try:
        return asyncio.run(_stoppable(work))
    except (asyncio.CancelledError, KeyboardInterrupt):
        raise SystemExit(0 if stopped_is_success else _INTERRUPTED) from None


async def _stoppable(work: Coroutine[Any, Any, T]) -> T:
    task = asyncio.create_task(work)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Once only: a second signal must not interrupt the clean-up that the first one began.
        loop.add_signal_handler(number, _cancel_once, task)
    return await task


def _cancel_once(task: asyncio.Task[Any]) -> None:
    if not task.cancelling():
        task.cancel()
