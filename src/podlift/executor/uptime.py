"""A clock for promises that others may consider broken while this process stands still."""

from __future__ import annotations

import time

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def uptime() -> float:
    """Seconds that also pass while the process is stopped or, on Linux, the machine suspended."""
    return time.clock_gettime(_CLOCK)
