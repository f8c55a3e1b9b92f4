"""What a family of processes uses: CPU time and memory, by process. Standard library only."""

from __future__ import annotations

import multiprocessing
import os
import resource
import time
from pathlib import Path

OWN = "scheduler's process"
ENDED = "processes that ended"
_TICK = 1 / os.sysconf("SC_CLK_TCK")


def cpu_by_process() -> dict[str, float]:
    """CPU seconds of this process and of those that it started, by the name of each.

    Of the others the kernel counts in hundredths of a second.
    """
    names = {child.pid: child.name.partition("-")[0] for child in multiprocessing.active_children()}
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = {OWN: time.process_time(), ENDED: ended.ru_utime + ended.ru_stime}
    for pid in descendants(os.getpid()):
        name = names.get(pid, "other processes")
        used[name] = used.get(name, 0.0) + cpu_of(pid)
    return used


def spent(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    """What was used between two times, by process.

    What one used that has ended since is among those that ended, less what it had used before.
    """
    names = before.keys() | after.keys()
    used = {name: after.get(name, 0.0) - before.get(name, 0.0) for name in sorted(names)}
    return {name: seconds for name, seconds in used.items() if name != ENDED or seconds}


def megabytes() -> float:
    """Memory of this process and those that it started; what they share is counted once."""
    return family_megabytes(os.getpid())


def family_megabytes(pid: int) -> float:
    """The same of another process."""
    return sum(map(_share, (pid, *descendants(pid))))


def family_cpu(pid: int) -> float:
    """CPU seconds of a process and those that it started and that still run."""
    return sum(map(cpu_of, (pid, *descendants(pid))))


def descendants(pid: int) -> list[int]:
    """A process's children, and theirs."""
    try:
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        threads = Path(f"/proc/{pid}/task").iterdir()
        found += [
            child
            for thread in threads
            if thread.name != str(pid)
            for child in (thread / "children").read_text().split()
        ]
    except OSError:  # it ended while we looked
        return []
    return [each for child in map(int, found) for each in (child, *descendants(child))]


def cpu_of(pid: int) -> float:
    """CPU seconds of one process; none of one that is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) * _TICK


def _share(pid: int) -> float:
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    return (
        sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) / 1024
    )
