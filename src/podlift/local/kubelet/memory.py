"""Memory limits: by a control group where one can be made, else by watching.

Address-space limits (RLIMIT_AS) are not used: they fail programs that reserve much and use little,
and end them with an error of their own instead of an OOM kill.
See https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from pathlib import Path

_SAMPLE_SECONDS = 0.25
_PAGE = os.sysconf("SC_PAGE_SIZE")


class MemoryLimits:
    """Makes the limits of containers; ``how`` says by what means (for the node and the docs)."""

    def __init__(self, name: str) -> None:
        self._version, self._parent = _usable_parent(name)
        if self._parent is not None:
            for leftover in self._parent.iterdir():  # of a cluster that was killed
                if leftover.is_dir():
                    _remove(leftover)

    @property
    def how(self) -> str:
        """``cgroup v1``, ``cgroup v2`` or ``sampling``."""
        return f"cgroup v{self._version}" if self._parent else "sampling"

    def make(self, container_id: str, limit: int) -> MemoryLimit:
        """A limit of *limit* bytes for the container that is about to start."""
        if self._parent is None:
            return SampledLimit(limit)
        folder = self._parent / container_id
        folder.mkdir()
        if self._version == 1:
            (folder / "memory.limit_in_bytes").write_text(str(limit))
            swap = folder / "memory.memsw.limit_in_bytes"
            if swap.exists():
                swap.write_text(str(limit))
        else:
            (folder / "memory.max").write_text(str(limit))
            for name, value in (("memory.swap.max", "0"), ("memory.oom.group", "1")):
                if (folder / name).exists():
                    (folder / name).write_text(value)
        return GroupLimit(folder)

    def close(self) -> None:
        """Remove the parent group once its containers are gone."""
        if self._parent is not None:
            with contextlib.suppress(OSError):  # something in it still lives
                self._parent.rmdir()


class MemoryLimit:
    """The limit of one container; this one is none."""

    #: ``cgroup.procs`` files that the process has to join.
    joins: tuple[str, ...] = ()

    def start(self, pid: int, kill: Callable[[], None]) -> None:
        """The process runs, as *pid*; *kill* ends the container."""

    async def finish(self) -> bool:
        """The container has ended: tidy up, and say whether it was killed for its memory."""
        return False


class GroupLimit(MemoryLimit):
    """A control group of the kernel's memory controller."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.joins = (str(folder / "cgroup.procs"),)

    async def finish(self) -> bool:
        """Read the kernel's count of kills and remove the group."""
        killed = _oom_kills(self._folder) > 0
        for _ in range(20):
            try:
                self._folder.rmdir()
            except OSError:  # its last process is still on its way out
                await asyncio.sleep(0.05)
            else:
                break
        return killed


class SampledLimit(MemoryLimit):
    """Adds up the resident memory of the container's processes four times a second."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._exceeded = False
        self._task: asyncio.Task[None] | None = None

    def start(self, pid: int, kill: Callable[[], None]) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._sample(pid, kill))

    async def finish(self) -> bool:
        """Stop looking."""
        if self._task is not None:
            self._task.cancel()
        return self._exceeded

    async def _sample(self, pid: int, kill: Callable[[], None]) -> None:
        while not self._exceeded:
            if resident_bytes(pid) > self._limit:
                self._exceeded = True
                kill()
            await asyncio.sleep(_SAMPLE_SECONDS)


def resident_bytes(pid: int) -> int:
    """The resident memory of a process and all that descend from it, shared pages once each."""
    total = 0
    waiting = [pid]
    while waiting:
        one = waiting.pop()
        try:
            with open(f"/proc/{one}/statm", "rb") as file:
                _, resident, shared = file.read().split()[:3]
            for task in os.listdir(f"/proc/{one}/task"):
                with open(f"/proc/{one}/task/{task}/children", "rb") as file:
                    waiting += [int(word) for word in file.read().split()]
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += (int(resident) - int(shared)) * _PAGE
    return total


def _oom_kills(folder: Path) -> int:
    for name in ("memory.events", "memory.oom_control"):
        if (folder / name).exists():
            for line in (folder / name).read_text().splitlines():
                key, _, value = line.partition(" ")
                if key == "oom_kill":
                    return int(value)
    return 0


def _usable_parent(name: str) -> tuple[int, Path | None]:
    """A group under which groups with a memory limit can be made, tried by making one."""
    for version, parent in _candidates():
        folder = parent / name
        try:
            folder.mkdir(exist_ok=True)
            if version == 2:
                (folder / "cgroup.subtree_control").write_text("+memory")
            trial = folder / "trial"
            trial.mkdir(exist_ok=True)
            limit = "memory.limit_in_bytes" if version == 1 else "memory.max"
            (trial / limit).write_text(str(1 << 30))
            trial.rmdir()
        except OSError:
            _remove(folder / "trial")
            _remove(folder)
            continue
        return version, folder
    return 0, None


def _candidates() -> list[tuple[int, Path]]:
    """Our own groups (where we may be allowed more) and the roots."""
    found: list[tuple[int, Path]] = []
    with open("/proc/self/cgroup", encoding="ascii") as file:
        lines = [line.rstrip("\n").split(":", 2) for line in file]
    for _, controllers, path in lines:
        if "memory" in controllers.split(","):
            found.append((1, Path("/sys/fs/cgroup/memory") / path.lstrip("/")))
        elif not controllers:
            found.append((2, Path("/sys/fs/cgroup") / path.lstrip("/")))
    found += [(1, Path("/sys/fs/cgroup/memory")), (2, Path("/sys/fs/cgroup"))]
    return [(version, path) for version, path in found if _has_memory(version, path)]


def _has_memory(version: int, path: Path) -> bool:
    if version == 1:
        return (path / "memory.limit_in_bytes").exists()
    controllers = path / "cgroup.controllers"
    return controllers.exists() and "memory" in controllers.read_text().split()


def _remove(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()
