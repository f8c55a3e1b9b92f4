"""A selector that lets news come together: what arrives within milliseconds is handled at once."""

from __future__ import annotations

import selectors
import time
from collections.abc import Callable

INTERVAL = 0.005
"""Seconds between two looks, at least."""


class CoalescingSelector(selectors.DefaultSelector):
    """Waits for its descriptors like any other, but not again right after it did.

    A busy server's answers and events come one by one. A thread that wakes for each finds its
    memory gone from the processor's caches each time, and takes several times as long for the same
    work as one that wakes for a handful (ADR 13). When little happens nothing is held up.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__()
        self._clock = clock
        self._sleep = sleep
        self._not_before = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """As any selector's. asyncio says 0 when it has something else to do, too."""
        if timeout is not None and timeout <= 0:
            return super().select(timeout)
        pause = self._not_before - self._clock()
        if pause > 0:
            if timeout is not None:
                pause = min(pause, timeout)
                timeout -= pause
            self._sleep(pause)
        ready = super().select(timeout)
        self._not_before = self._clock() + INTERVAL
        return ready
