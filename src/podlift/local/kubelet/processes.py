"""Processes as the kubelet sees them; :mod:`~podlift.local.kubelet.spawner` is their parent."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_SPAWNER = Path(__file__).with_name("spawner.py")


class SpawnFailed(Exception):
    """A program could not be started; ``text`` is the system's reason."""

    def __init__(self, number: int, text: str) -> None:
        super().__init__(text)
        self.errno = number
        self.text = text


@dataclass(frozen=True, slots=True)
class Command:
    """A program to start.

    ``file`` is an absolute path. ``cgroups`` are ``cgroup.procs`` files which the process joins
    first; ``enter`` is the id of a process whose namespaces it steps into. With ``tty`` its
    standard input becomes its controlling terminal.
    """

    file: str
    argv: Sequence[str]
    env: dict[str, str]
    cwd: str = "/"
    cgroups: Sequence[str] = ()
    enter: int | None = None
    tty: bool = False


@dataclass(slots=True, eq=False)
class Process:
    """A process of the spawner, leader of a session and process group of its own."""

    id: int
    pid: int
    _spawner: Processes
    _exited: asyncio.Future[int] = field(repr=False)

    @property
    def running(self) -> bool:
        """Whether it has not been seen to end."""
        return not self._exited.done()

    async def wait(self) -> int:
        """The exit code, or 128 + n where signal n ended it."""
        return await asyncio.shield(self._exited)

    def signal(self, number: int, *, group: bool = False) -> None:
        """Send a signal to it or to its whole group; no-op once it has ended."""
        if self.running:
            self._spawner.send_signal(self.id, number, group=group)

    def kill(self) -> None:
        """SIGKILL to the whole group."""
        self.signal(signal.SIGKILL, group=True)


class Processes:
    """Starts processes by way of the spawner."""

    def __init__(self) -> None:
        self._next = 0
        self._starting: dict[int, asyncio.Future[int]] = {}
        self._running: dict[int, asyncio.Future[int]] = {}
        self._control: socket.socket | None = None
        self._spawner: subprocess.Popen[bytes] | None = None

    async def open(self) -> None:
        """Start the spawner."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._spawner = await asyncio.to_thread(_start_spawner, theirs)
        ours.setblocking(False)
        self._control = ours
        asyncio.get_running_loop().add_reader(ours.fileno(), self._receive)

    async def close(self) -> None:
        """End the spawner, and with it every process that is left."""
        if self._control is None or self._spawner is None:
            return
        asyncio.get_running_loop().remove_reader(self._control.fileno())
        self._control.close()
        self._control = None
        await asyncio.to_thread(self._spawner.wait)
        self._fail_all()

    async def spawn(self, command: Command, fds: Sequence[int]) -> Process:
        """Start *command* with *fds* as its descriptors 0, 1, 2 and so on.

        The caller keeps (and closes) its copies. Raises :class:`SpawnFailed`.
        """
        loop = asyncio.get_running_loop()
        self._next += 1
        id_ = self._next
        started: asyncio.Future[int] = loop.create_future()
        exited: asyncio.Future[int] = loop.create_future()
        self._starting[id_], self._running[id_] = started, exited
        spec = os.memfd_create("spawn")
        try:
            os.write(spec, json.dumps(_spec(command)).encode())
            await self._send({"op": "spawn", "id": id_}, [spec, *fds])
        finally:
            os.close(spec)
        return Process(id_, await started, self, exited)

    def send_signal(self, id_: int, number: int, *, group: bool) -> None:
        """Ask the spawner to signal the process with this id (or its group)."""
        if self._control is not None:
            op = "signal-group" if group else "signal"
            request = {"op": op, "id": id_, "signal": int(number)}
            self._control.send(json.dumps(request).encode())

    async def _send(self, request: dict[str, Any], fds: list[int]) -> None:
        data = json.dumps(request).encode()
        while True:
            if self._control is None:
                raise SpawnFailed(0, "the cluster is stopping")
            try:
                socket.send_fds(self._control, [data], fds)
            except BlockingIOError:
                await _writable(self._control)
            else:
                return

    def _receive(self) -> None:
        assert self._control is not None
        while True:
            try:
                data = self._control.recv(65536)
            except BlockingIOError:
                return
            if not data:
                asyncio.get_running_loop().remove_reader(self._control.fileno())
                self._fail_all()
                return
            self._note(json.loads(data))

    def _note(self, message: dict[str, Any]) -> None:
        id_ = message["id"]
        if "status" in message:
            _resolve(self._running.pop(id_), _exit_code(message["status"]))
        elif "pid" in message:
            _resolve(self._starting.pop(id_), message["pid"])
        else:
            del self._running[id_]
            started = self._starting.pop(id_)
            if not started.done():
                started.set_exception(SpawnFailed(message["errno"], message["text"]))

    def _fail_all(self) -> None:
        """The spawner has gone, and killed everything as it went."""
        for started in self._starting.values():
            if not started.done():
                started.set_exception(SpawnFailed(0, "the cluster is stopping"))
        for exited in self._running.values():
            _resolve(exited, 128 + signal.SIGKILL)
        self._starting.clear()
        self._running.clear()


def _start_spawner(control: socket.socket) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-I", "-S", str(_SPAWNER), str(control.fileno())],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        pass_fds=[control.fileno()],
        start_new_session=True,
    )


def _spec(command: Command) -> dict[str, Any]:
    return {
        "file": command.file,
        "argv": list(command.argv),
        "env": command.env,
        "cwd": command.cwd,
        "cgroups": list(command.cgroups),
        "enter": command.enter,
        "tty": command.tty,
    }


def _exit_code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _resolve(future: asyncio.Future[int], value: int) -> None:
    if not future.done():
        future.set_result(value)


async def _writable(sock: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.add_writer(sock.fileno(), _resolve, ready, 0)
    try:
        await ready
    finally:
        loop.remove_writer(sock.fileno())
