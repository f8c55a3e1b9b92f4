"""The node's programs as processes that outlive the command which started them.

Each is recorded with its process id and start time, so that only what this module started is ever
signalled, also by a later command and also when a process id has been given to another program.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from dataclasses import astuple, dataclass
from pathlib import Path

from tests.real.network import inside
from tests.real.paths import LOGS, PROCESSES

_PATIENCE = 15.0
_SIGNALS = (signal.SIGTERM, signal.SIGKILL)


@dataclass(frozen=True)
class Recorded:
    """A program that was started: ``started`` is the kernel's word for when."""

    pid: int
    started: int
    command: list[str]


def start(name: str, command: list[str]) -> None:
    """Start a program in the node's network namespace; its output goes to ``<LOGS>/<name>.log``."""
    LOGS.mkdir(parents=True, exist_ok=True)
    with (LOGS / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            inside(*command),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    _record(_recorded() | {name: Recorded(process.pid, _started_at(process.pid), command)})


def stop(name: str, *, at_once: bool = False) -> None:
    """End the program, if it runs; how it was started stays known."""
    if (known := _recorded().get(name)) is not None:
        _stop(known, *((signal.SIGKILL,) if at_once else _SIGNALS))


def start_again(name: str) -> None:
    """Start a program that was stopped, as it was started."""
    start(name, _recorded()[name].command)


def alive(name: str) -> bool:
    """Whether the program was started and still runs."""
    known = _recorded().get(name)
    return known is not None and _is_ours(known)


def last_words(name: str) -> str:
    """The last lines that the program wrote."""
    log = LOGS / f"{name}.log"
    return "\n".join(log.read_text(errors="replace").splitlines()[-5:]) if log.exists() else ""


def stop_all() -> None:
    """End every recorded process, the last one started first."""
    for known in reversed(list(_recorded().values())):
        _stop(known)
    PROCESSES.unlink(missing_ok=True)


def shims_below(folder: Path) -> list[int]:
    """Containerd's shims that work in ``folder``: they outlive containerd."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                program, *arguments = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:  # it ended while we looked
                continue
            of_folder = any(str(folder).encode() in each for each in arguments)
            if b"containerd-shim" in program and of_folder:
                found.append(int(entry.name))
    return found


def _recorded() -> dict[str, Recorded]:
    if not PROCESSES.exists():
        return {}
    return {name: Recorded(*each) for name, each in json.loads(PROCESSES.read_text()).items()}


def _record(known: dict[str, Recorded]) -> None:
    """Write the record whole or not at all: a killed command must not leave half of it."""
    fresh = PROCESSES.with_suffix(".new")
    fresh.write_text(json.dumps({name: astuple(each) for name, each in known.items()}))
    fresh.rename(PROCESSES)


def _stop(known: Recorded, *signals: signal.Signals) -> None:
    for sign in signals or _SIGNALS:
        if not _is_ours(known):
            return
        os.kill(known.pid, sign)
        give_up = time.monotonic() + _PATIENCE
        while _is_ours(known) and time.monotonic() < give_up:
            _reap(known.pid)
            time.sleep(0.05)


def _reap(pid: int) -> None:
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:  # started by an earlier command: init reaps it
        return


def _is_ours(known: Recorded) -> bool:
    return _started_at(known.pid) == known.started


def _started_at(pid: int) -> int:
    """Clock ticks from boot to the process's start; 0 for none and for one that ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] == "Z" else int(fields[19])
