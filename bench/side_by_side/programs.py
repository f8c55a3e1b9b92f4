"""The server's programs as processes that end with the measurement, however that ends.

Each is recorded with its process id and the kernel's word for when it started, and asks the kernel
to be ended when the process that started it is gone. So a measurement that was killed leaves
nothing, and what it should have left all the same is found by the record of the next one, which
signals nothing else.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from bench import Unmeasured

_PR_SET_PDEATHSIG = 1
_PATIENCE = 15.0


@dataclass(frozen=True)
class Program:
    """A program that was started; ``started`` is in clock ticks since the machine's boot."""

    name: str
    pid: int
    started: int
    command: list[str]

    def runs(self) -> bool:
        """Whether it still runs, and the process id is not another program's by now."""
        return started_at(self.pid) == self.started


class Programs:
    """What was started for one measurement, by name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._record = folder / "processes.json"
        self._known: dict[str, Program] = {}
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def start(
        self, name: str, *command: object, environment: Mapping[str, str] | None = None
    ) -> None:
        """Start a program; what it prints goes to ``NAME.log``."""
        words = [str(word) for word in command]
        with (self._folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=end_with_parent,
                env=environment,
            )
        program = Program(name, process.pid, started_at(process.pid), words)
        self._known[name] = program
        self._children[name] = process
        self._write()

    def note(self, name: str, pid: int) -> None:
        """Record a program that somebody else started and ends, should we be killed before."""
        self._known[name] = Program(name, pid, started_at(pid), [])
        self._write()

    def start_again(self, name: str) -> None:
        """Start a program that was stopped, as it was started."""
        self.start(name, *self._known[name].command)

    def stop(self, name: str, *, at_once: bool = False) -> None:
        """End a program, if it runs; how it was started stays known."""
        _stop(self._known[name], self._children.get(name), at_once=at_once)

    def stop_all(self) -> None:
        """End everything, the last one started first."""
        for name in reversed(self._known):
            self.stop(name)
        self._record.unlink(missing_ok=True)

    def pids(self) -> dict[str, int]:
        """Process ids by name."""
        return {program.name: program.pid for program in self._known.values()}

    def wait_for(self, name: str, ready: Iterator[bool], seconds: float = 60.0) -> None:
        """Wait until an answer of ``ready`` is yes.

        Raises ``Unmeasured`` with the program's last words when it ends or the time is over.
        """
        give_up = time.monotonic() + seconds
        for answer in ready:
            if answer:
                return
            if not self._known[name].runs() or time.monotonic() > give_up:
                raise Unmeasured(f"{name} does not come up. Its last words:\n{self._words(name)}")
            time.sleep(0.1)

    def check(self) -> None:
        """Raise ``Unmeasured`` with the last words of a program that has ended by itself."""
        for program in (self._known[name] for name in self._children):
            if not program.runs():
                words = self._words(program.name)
                raise Unmeasured(f"{program.name} has ended. Its last words:\n{words}")

    def _words(self, name: str) -> str:
        log = (self._folder / f"{name}.log").read_text(errors="replace")
        return "\n".join(log.splitlines()[-5:])

    def _write(self) -> None:
        fresh = self._record.with_suffix(".new")
        fresh.write_text(json.dumps([asdict(program) for program in self._known.values()]))
        fresh.replace(self._record)


@contextmanager
def programs_in(folder: Path) -> Iterator[Programs]:
    """Programs that are ended in the end, whatever happens."""
    end_left_behind(folder)
    programs = Programs(folder)
    try:
        yield programs
    finally:
        programs.stop_all()


def end_left_behind(folder: Path) -> None:
    """End what a measurement that was killed has left, by its record."""
    record = folder / "processes.json"
    if record.exists():
        for each in reversed(json.loads(record.read_text())):
            _stop(Program(**each))
        record.unlink()


def end_at_work_in(folder: Path) -> None:
    """End what still runs with a folder of ours in its command line or environment.

    A program that was killed with its starter may have had children that nobody recorded.
    """
    for pid in at_work_in(folder):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def at_work_in(folder: Path) -> list[int]:
    """Other processes that name the folder when asked how they were started."""
    sought = os.fsencode(folder)
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended while we looked, or is somebody else's
            said = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            if sought in said and int(entry.name) != os.getpid():
                found.append(int(entry.name))
    return found


def started_at(pid: int) -> int:
    """Clock ticks from boot to the process's start; 0 for none and for one that ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] == "Z" else int(fields[19])


def end_with_parent() -> None:
    """In the child, before the program: the kernel ends it when its parent is gone."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _stop(
    program: Program, child: subprocess.Popen[bytes] | None = None, *, at_once: bool = False
) -> None:
    """End a program; a ``child`` of ours is not left for nobody to reap."""
    for sign in (signal.SIGKILL,) if at_once else (signal.SIGTERM, signal.SIGKILL):
        if not program.runs():
            break
        os.kill(program.pid, sign)
        give_up = time.monotonic() + _PATIENCE
        while program.runs() and time.monotonic() < give_up:
            time.sleep(0.02)
    if child is not None:
        child.wait()
        with suppress(ProcessLookupError):  # what it started itself, in the session that is its own
            os.killpg(program.pid, signal.SIGKILL)
