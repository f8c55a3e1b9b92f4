"""Where the CPU time of an executor's threads goes. Standard library only.

Python's own profiler runs in every thread that starts, with the thread's CPU clock: what a thread
waits for does not count. It makes calls dearer, so only shares can be compared.
"""

from __future__ import annotations

import cProfile
import threading
import time
from collections import defaultdict
from pathlib import Path
from types import CodeType, FrameType
from typing import Any


class Profiling:
    """A profile of all threads that start from now on."""

    def __init__(self) -> None:
        self._profiles: list[cProfile.Profile] = []
        self._before: dict[str, float] = defaultdict(float)
        threading.setprofile(self._begin)

    def _begin(self, frame: FrameType, event: str, argument: Any) -> None:
        profile = cProfile.Profile(time.thread_time)
        self._profiles.append(profile)
        profile.enable()  # takes the place of this hook in this thread

    def since(self) -> dict[str, float]:
        """CPU seconds of each package's own code since the last time."""
        now: dict[str, float] = defaultdict(float)
        for profile in self._profiles:
            for entry in profile.getstats():
                if isinstance(entry.code, CodeType):
                    now[_package(entry.code)] += entry.inlinetime
                    # What is built in belongs to whoever calls it.
                    for call in entry.calls or ():
                        if isinstance(call.code, str):
                            now[_package(entry.code)] += call.inlinetime
        found = {name: now[name] - self._before[name] for name in now}
        self._before = now
        return found


def _package(code: CodeType) -> str:
    """``podlift.executor``, another package's name, or a module's of Python's own library."""
    parts = Path(code.co_filename).with_suffix("").parts
    if "podlift" in parts:
        return ".".join(parts[parts.index("podlift") :][:2])
    if "site-packages" in parts:
        return parts[parts.index("site-packages") + 1]
    return parts[-2] if len(parts) > 1 and parts[-2] in ("asyncio", "json") else parts[-1]
