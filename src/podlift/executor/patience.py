"""Asking a busy server again, ever more slowly, until it answers."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from podlift.kube.errors import KubeError

logger = logging.getLogger(__name__)

T = TypeVar("T")

_LONGEST_WAIT = 10.0


async def patiently(ask: Callable[[], Awaitable[T]], doing: str) -> T:
    """What ``ask`` answers; ``doing`` says in the log what it is for.

    Raises only ``KubeError`` that asking again does not help.
    """
    wait = 0.5
    while True:
        try:
            return await ask()
        except KubeError as error:
            if not error.transient:
                raise
            logger.warning("%s goes on in %.1f s after: %s", doing, wait, error)
        await asyncio.sleep(wait * random.uniform(0.8, 1.2))
        wait = min(wait * 2, _LONGEST_WAIT)
