"""How long to wait before the next try."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from podlift.kube.errors import ApiError, KubeError

T = TypeVar("T")


@dataclass(frozen=True)
class Timing:
    """Time and chance, so that tests can hold both."""

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    chance: Callable[[], float] = random.random


class Backoff:
    """Delays that double with every failure in a row, up to `most` seconds.

    A delay is spread over its upper half by chance, so that clients that failed together do not
    come back together.
    """

    def __init__(
        self, chance: Callable[[], float], *, first: float = 0.5, most: float = 30.0
    ) -> None:
        self._chance = chance
        self._first = first
        self._most = most
        self.failures = 0

    def reset(self) -> None:
        """Something went well."""
        self.failures = 0

    def next(self, error: Exception | None = None) -> float:
        """Seconds to wait after one more failure; never less than the server itself asks for."""
        full = min(self._most, self._first * 2.0 ** min(self.failures, 16))
        self.failures += 1
        delay = full * (0.5 + 0.5 * self._chance())
        if isinstance(error, ApiError) and error.retry_after is not None:
            delay += error.retry_after
        return delay


async def repeated(
    ask: Callable[[], Awaitable[T]],
    patience: float,
    retrying: Callable[[KubeError], object] | None = None,
) -> T:
    """What `ask` answers; asked again for `patience` seconds while that may help.

    `retrying` hears of every error after which it is asked again. Raises the last KubeError.
    """
    backoff, deadline = Backoff(random.random), time.monotonic() + patience
    while True:
        try:
            return await ask()
        except KubeError as error:
            delay = backoff.next(error)
            if not error.transient or time.monotonic() + delay > deadline:
                raise
            if retrying is not None:
                retrying(error)
        await asyncio.sleep(delay)
