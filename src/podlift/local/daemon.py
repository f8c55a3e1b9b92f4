"""The cluster in a process of its own: start it, ask how it is, stop it.

The folder's ``cluster.json`` says which process runs the cluster. A process is believed to be
that one when it holds the folder's lock and has not been started since; a number that was given
to another process in the meantime is never signalled.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec

from podlift.local import errors
from podlift.local.cluster import ClusterOptions, LocalCluster
from podlift.local.home import RECORD, ClusterRecord, Endpoint, make_home, started_at

_START_SECONDS = 30.0
_STOP_SECONDS = 45.0
_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class ClusterStatus:
    """Whether a cluster runs from a home folder, and where."""

    running: bool
    home: Path
    pid: int | None = None
    endpoint: Endpoint | None = None


def start_detached(options: ClusterOptions) -> Endpoint:
    """Start a cluster that outlives this process; it is ready when this returns.

    Its log goes to ``cluster.log`` in the home folder. Raises a
    :class:`~podlift.local.errors.LocalError`, and leaves nothing running then.
    """
    home = options.home.absolute()
    present = status(home)
    if present.running:
        raise errors.AlreadyRunning(
            f"A cluster already runs from {home} (process {present.pid}); "
            "stop it or choose another home folder."
        )
    log = _open_log(home)
    reading, writing = os.pipe()
    try:
        process = subprocess.Popen(
            _command(options, home, writing),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=(writing,),
        )
    finally:
        os.close(writing)
        os.close(log)
    return _answer_of(process, reading, home)


def status(home: Path) -> ClusterStatus:
    """How the cluster of this home folder is."""
    home = home.absolute()
    record = _record(home)
    # The lock comes last: trying it must not get in the way of a cluster that is just starting.
    if record is None or started_at(record.pid) != record.started or not _is_locked(home):
        return ClusterStatus(False, home)
    return ClusterStatus(True, home, record.pid, record.endpoint(home))


def stop(home: Path) -> None:
    """Stop the cluster of this home folder and wait until it has ended.

    Raises :class:`~podlift.local.errors.NotRunning`, or
    :class:`~podlift.local.errors.StopFailed` where it does not end in time.
    """
    present = status(home)
    if present.pid is None:
        raise errors.NotRunning(f"No cluster runs from {home}.")
    started = started_at(present.pid)
    os.kill(present.pid, signal.SIGTERM)
    end = time.monotonic() + _STOP_SECONDS
    while started_at(present.pid) == started:
        # A child of this very process stays as a zombie until it is waited for.
        with contextlib.suppress(ChildProcessError):
            os.waitpid(present.pid, os.WNOHANG)
        if time.monotonic() > end:
            raise errors.StopFailed(
                f"The cluster (process {present.pid}) did not end within {_STOP_SECONDS:.0f} s; "
                f"its log is {home / 'cluster.log'}."
            )
        time.sleep(_POLL_SECONDS)


def _command(options: ClusterOptions, home: Path, answer: int) -> list[str]:
    given = {
        "home": str(home),
        "host": options.host,
        "port": options.port,
        "sandbox": options.sandbox,
    }
    return [sys.executable, "-m", __name__, json.dumps(given), str(answer)]


def _open_log(home: Path) -> int:
    make_home(home)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    return os.open(home / "cluster.log", flags, 0o600)


def _answer_of(process: subprocess.Popen[bytes], reading: int, home: Path) -> Endpoint:
    """What the new process says of its start, or why there is nothing."""
    os.set_blocking(reading, False)
    said, end = b"", time.monotonic() + _START_SECONDS
    with os.fdopen(reading, "rb", buffering=0) as pipe:
        while time.monotonic() < end and not said.endswith(b"\n"):
            part = pipe.read(65536)
            if part == b"":
                break
            said += part or b""
            if part is None:
                time.sleep(_POLL_SECONDS)
    if not said.endswith(b"\n"):
        process.kill()
        process.wait()
        raise errors.StartFailed(
            f"The cluster ended before it was ready; its log is {home / 'cluster.log'}."
        )
    answer = json.loads(said)
    if "error" in answer:
        process.wait()
        raise getattr(errors, answer["error"])(answer["message"])
    record = _record(home)
    if record is None:
        raise errors.StartFailed(f"{home / RECORD} is missing; start the cluster again.")
    # The cluster goes on without us; nobody is going to wait for it.
    process.returncode = 0
    return record.endpoint(home)


def _record(home: Path) -> ClusterRecord | None:
    try:
        return msgspec.json.decode((home / RECORD).read_bytes(), type=ClusterRecord)
    except (OSError, msgspec.MsgspecError):
        # None, or one that was cut short by a crash: nothing to go by.
        return None


def _is_locked(home: Path) -> bool:
    try:
        handle = os.open(home / "lock", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


async def _serve(options: ClusterOptions, answer: int) -> None:
    """The detached process: start, say how it went, and serve until SIGTERM."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    cluster = LocalCluster(options)
    try:
        await cluster.start()
    except errors.LocalError as error:
        said = {"error": type(error).__name__, "message": str(error)}
        os.write(answer, json.dumps(said).encode() + b"\n")
        raise SystemExit(1) from error
    os.write(answer, b"{}\n")
    os.close(answer)
    failure = asyncio.create_task(cluster.wait())
    stopped = asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait({failure, stopped}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await cluster.stop()
        for task in (failure, stopped):
            task.cancel()
        await asyncio.gather(failure, stopped, return_exceptions=True)


def _main(arguments: list[str]) -> None:
    given = json.loads(arguments[0])
    options = ClusterOptions(Path(given["home"]), given["host"], given["port"], given["sandbox"])
    asyncio.run(_serve(options, int(arguments[1])))


if __name__ == "__main__":
    _main(sys.argv[1:])
