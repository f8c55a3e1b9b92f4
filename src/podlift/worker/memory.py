"""Whether a process of this container was killed because its memory ran out.

Where the kernel kills the task's process only, and not the whole container (cgroup v1, or a kubelet
with ``singleProcessOOMKill``), the worker lives on and would report a failure like any other. If
the next pod is to get more memory, it has to leave that to the executor.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

COUNTERS = (
    Path("/sys/fs/cgroup/memory.events"),
    Path("/sys/fs/cgroup/memory/memory.oom_control"),
)
"""Where a container finds how often that has happened in it: cgroup v2, cgroup v1.

https://docs.kernel.org/admin-guide/cgroup-v2.html#memory-interface-files"""


class MemoryNotice:
    """Knows of kills since it was made; of none unless they are ``wanted``."""

    def __init__(self, wanted: bool, counters: Sequence[Path] = COUNTERS) -> None:
        self._counters = counters if wanted else ()
        self._before = _kills(self._counters)

    @property
    def given(self) -> bool:
        """Whether a process was killed."""
        return _kills(self._counters) > self._before


def _kills(counters: Sequence[Path]) -> int:
    for file in counters:
        try:
            text = file.read_text()
        except OSError:  # this machine has the other kind, or shows neither
            continue
        for line in text.splitlines():
            name, _, count = line.partition(" ")
            if name == "oom_kill" and count.isdecimal():
                return int(count)
    return 0
