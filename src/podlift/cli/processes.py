"""Child processes: each in a process group of its own, with a log file, and never left behind."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from podlift.cli.errors import ProcessDied

_PR_SET_PDEATHSIG = 1
_TAIL_BYTES = 16_384


@dataclass(frozen=True)
class Command:
    """What to run: a name for people, the arguments, the whole environment, the log file."""

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    log: Path


class Child:
    """A running process that this one started and is answerable for."""

    def __init__(self, command: Command, process: asyncio.subprocess.Process) -> None:
        self.command = command
        self._process = process

    @classmethod
    async def start(cls, command: Command) -> Child:
        """Start the command; its output is appended to the log.

        Call it from the main thread only: the kernel ends the child when the *thread* that
        started it ends (PR_SET_PDEATHSIG, prctl(2)).
        """
        with command.log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *command.arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
                env=dict(command.environment),
                start_new_session=True,
                preexec_fn=_end_with(os.getpid()),
            )
        return cls(command, process)

    @property
    def pid(self) -> int:
        """The process id, which is also its process group's."""
        return self._process.pid

    async def ended(self) -> int:
        """Wait for the end; return the exit code (minus the signal's number after a signal)."""
        return await self._process.wait()

    async def stop(self, grace: float) -> None:
        """Ask it to end, wait up to `grace` seconds, then kill whatever is left of its group."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.terminate()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), grace)
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        await self._process.wait()

    def last_lines(self, count: int = 12) -> list[str]:
        """Return the end of the log, without empty lines."""
        return last_lines(self.command.log, count)


def last_lines(log: Path, count: int) -> list[str]:
    """Return the last `count` lines of a log that are not empty; none when there is no log."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return []
    return [line.rstrip() for line in text.splitlines() if line.strip()][-count:]


async def first_death(children: Sequence[Child]) -> ProcessDied:
    """Wait until one of the children ends, and return the error that tells of it."""
    waiting = {asyncio.create_task(child.ended()): child for child in children}
    try:
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
    task = next(iter(done))
    child = waiting[task]
    return ProcessDied(
        f"{child.command.name} ended by itself ({describe_exit(task.result())}):"
        f" read the end of its log below, or all of it in {child.command.log}.",
        child.last_lines(),
    )


def describe_exit(code: int) -> str:
    """Say in words how a process ended."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


def _end_with(parent: int) -> Callable[[], None]:
    """Return what a new child runs before its program: make it end when its parent does."""
    # Loaded here, in the parent: between fork and exec as little as possible may happen.
    libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None

    def prepare() -> None:
        if libc is not None:
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:  # it ended before the line above
            os._exit(1)

    return prepare
