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
from pathlib import Path

from tests.real.network import inside
from tests.real.paths import LOGS, PROCESSES

_PATIENCE = 15.0


def start(name: str, command: list[str], *, environment: dict[str, str] | None = None) -> None:
    """Start a program in the node's network namespace; its output goes to ``<LOGS>/<name>.log``."""
    LOGS.mkdir(parents=True, exist_ok=True)
    with (LOGS / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            inside(*command),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, **(environment or {})},
        )
    recorded = _recorded()
    recorded[name] = (process.pid, _started_at(process.pid))
    PROCESSES.write_text(json.dumps(recorded))


def alive(name: str) -> bool:
    """Whether the program was started and still runs."""
    return _is_ours(*_recorded().get(name, (0, 0)))


def last_words(name: str) -> str:
    """The last lines that the program wrote."""
    log = LOGS / f"{name}.log"
    return "\n".join(log.read_text(errors="replace").splitlines()[-5:]) if log.exists() else ""


def stop_all() -> None:
    """End every recorded process, the last one started first."""
    for pid, started in reversed(list(_recorded().values())):
        _stop(pid, started)
    PROCESSES.unlink(missing_ok=True)


def started_below(folder: Path) -> list[int]:
    """Processes whose command line names a path in ``folder``: containerd's shims outlive it."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:  # it ended while we looked
                continue
            if str(folder).encode() in command:
                found.append(int(entry.name))
    return found


def _recorded() -> dict[str, tuple[int, int]]:
    return json.loads(PROCESSES.read_text()) if PROCESSES.exists() else {}


def _stop(pid: int, started: int) -> None:
    for sign in (signal.SIGTERM, signal.SIGKILL):
        if not _is_ours(pid, started):
            return
        os.kill(pid, sign)
        give_up = time.monotonic() + _PATIENCE
        while _is_ours(pid, started) and time.monotonic() < give_up:
            _reap(pid)
            time.sleep(0.05)


def _reap(pid: int) -> None:
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:  # started by an earlier command: init reaps it
        return


def _is_ours(pid: int, started: int) -> bool:
    return pid != 0 and _started_at(pid) == started


def _started_at(pid: int) -> int:
    """Clock ticks from boot to the process's start; 0 for none and for one that ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] == "Z" else int(fields[19])
