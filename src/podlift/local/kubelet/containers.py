"""One run of one container: its processes, its log and how it ended."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import struct
import termios

from podlift.local.kubelet.executables import CannotStart
from podlift.local.kubelet.facts import Terminated
from podlift.local.kubelet.inside import DRAIN_SECONDS, Inside
from podlift.local.kubelet.launching import Launch, executable
from podlift.local.kubelet.logreading import tail
from podlift.local.kubelet.logs import LogWriter
from podlift.local.kubelet.memory import MemoryLimit, MemoryLimits
from podlift.local.kubelet.pipes import Input, Pump
from podlift.local.kubelet.processes import Command, Process, Processes, SpawnFailed
from podlift.local.kubelet.recording import timestamp
from podlift.local.kubelet.sandbox import CannotMount, Sandbox

#: Bounds of a termination message, as the kubelet's.
MESSAGE_BYTES = 4096
_FALLBACK_BYTES = 2048
_FALLBACK_LINES = 80

_START_ERROR = "StartError"
_NEVER = "1970-01-01T00:00:00Z"


class ContainerRun:
    """Starts a container's process and stays with it to its end."""

    def __init__(
        self,
        launch: Launch,
        log: LogWriter,
        *,
        processes: Processes,
        limits: MemoryLimits,
        sandbox: Sandbox | None,
    ) -> None:
        self.launch = launch
        self.log = log
        self.started_at: str | None = None
        self.stdin: Input | None = None
        self.terminal: int | None = None
        self.outputs: dict[bytes, Pump] = {}
        self._processes = processes
        self._sandbox = sandbox
        self._limit: MemoryLimit = (
            limits.make(launch.container_id, launch.memory_limit)
            if launch.memory_limit is not None
            else MemoryLimit()
        )
        self._process: Process | None = None
        self._inside = Inside()
        self._code: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        #: Commands that clients and probes run beside the process; they end with it.
        self.beside: set[Process] = set()

    @property
    def container_id(self) -> str:
        """The container's id, of 64 hexadecimal digits."""
        return self.launch.container_id

    @property
    def running(self) -> bool:
        """Whether the process was started and has not been seen to end."""
        return self._process is not None and self._process.running

    @property
    def first_pid(self) -> int | None:
        """The process whose namespaces are the container's; None where it has none of its own."""
        return self._inside.pid

    @property
    def joins(self) -> tuple[str, ...]:
        """The control groups that another process of this container has to join."""
        return self._limit.joins

    async def entered(self) -> None:
        """Wait until the namespaces are furnished and the container's own program has begun."""
        if self._sandbox is not None:
            await self._inside.begun(os.path.realpath(self._sandbox.program))

    async def exited(self) -> int:
        """The exit code, once :meth:`wait` has seen it."""
        return await asyncio.shield(self._code)

    async def start(self) -> None:
        """Start the process; raises :class:`CannotStart` in the runtime's words."""
        self.launch.message_file.touch()
        try:
            file = executable(self.launch)
            await self._spawn(file)
        except (CannotStart, CannotMount, SpawnFailed) as error:
            self.log.close()
            await self._limit.finish()
            self._inside.close()
            raise CannotStart(str(error)) from error
        self.started_at = timestamp()

    async def wait(self, policy: str) -> Terminated:
        """Stay until the container has ended and its output is read.

        *policy* is its terminationMessagePolicy.
        """
        assert self._process is not None
        code = await self._process.wait()
        for process in self.beside:
            process.kill()
        for pump in self.outputs.values():
            await pump.drain(DRAIN_SECONDS)
        self.log.close()
        self._close_input()
        oom = await self._limit.finish()
        await self._inside.ended()
        wrong = self._inside.failure(code)
        finished = timestamp()
        self._code.set_result(code)
        if wrong:
            text = tail(self.log.folder, self.log.run, 1, MESSAGE_BYTES).decode(errors="replace")
            return self.not_started(text.strip())
        reason = "OOMKilled" if oom else "Completed" if code == 0 else "Error"
        return Terminated(
            exit_code=code,
            reason=reason,
            message=self._message(policy, code),
            started_at=self.started_at,
            finished_at=finished,
            container_id=f"podlift://{self.container_id}",
        )

    def not_started(self, message: str) -> Terminated:
        """How a container that could not be started has ended."""
        return Terminated(
            exit_code=128,
            reason=_START_ERROR,
            message=message,
            started_at=_NEVER,
            finished_at=timestamp(),
            container_id=f"podlift://{self.container_id}",
        )

    async def terminate(self, grace_seconds: float) -> None:
        """SIGTERM to the first process, SIGKILL to all of them when the time is over."""
        if self._process is None or not self._process.running:
            return
        if grace_seconds > 0:
            await self.entered()
            self._send(signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), grace_seconds)
        self.kill()
        await self._process.wait()

    def kill(self) -> None:
        """SIGKILL to every process of the container."""
        if self._process is not None:
            self._inside.signal(signal.SIGKILL)
            self._process.kill()

    def resize(self, columns: int, rows: int) -> None:
        """Set the size of the container's terminal, if it has one."""
        if self.terminal is not None:
            set_size(self.terminal, columns, rows)

    def _send(self, number: int) -> None:
        assert self._process is not None
        if not self._inside.signal(number):
            self._process.signal(number)

    async def _spawn(self, file: str) -> None:
        launch = self.launch
        fds, keep = self._streams()
        argv = list(launch.argv)
        try:
            if self._sandbox is not None:
                fds.append(self._inside.open())
                line = self._sandbox.arguments(launch.mounts, launch.cwd, len(fds) - 1)
                # The program is given by its path; its own name for itself is lost.
                argv, file = [*line, file, *argv[1:]], self._sandbox.program
            command = Command(
                file=file,
                argv=argv,
                env=launch.env,
                cwd="/" if self._sandbox is not None else launch.cwd,
                cgroups=self._limit.joins,
                tty=launch.tty,
            )
            self._process = await self._processes.spawn(command, fds)
        finally:
            for fd in fds:
                os.close(fd)
            if self._process is None:
                for fd in keep:
                    os.close(fd)
        self._attach_streams(keep)
        self._limit.start(self._process.pid, self.kill)

    def _streams(self) -> tuple[list[int], list[int]]:
        """The child's descriptors 0 to 2, and our ends of them: output, errors, input."""
        if self.launch.tty:
            ours, theirs = os.openpty()
            return [theirs, os.dup(theirs), os.dup(theirs)], [ours]
        out_read, out_write = os.pipe2(os.O_CLOEXEC)
        err_read, err_write = os.pipe2(os.O_CLOEXEC)
        if not self.launch.stdin:
            null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
            return [null, out_write, err_write], [out_read, err_read]
        in_read, in_write = os.pipe2(os.O_CLOEXEC)
        return [in_read, out_write, err_write], [out_read, err_read, in_write]

    def _attach_streams(self, keep: list[int]) -> None:
        self._pump(b"stdout", keep[0])
        if self.launch.tty:
            self.terminal = os.dup(keep[0])
            if self.launch.stdin:
                self.stdin = Input(os.dup(keep[0]))
            return
        self._pump(b"stderr", keep[1])
        if self.launch.stdin:
            self.stdin = Input(keep[2])

    def _pump(self, stream: bytes, fd: int) -> None:
        self.outputs[stream] = Pump(
            fd,
            sink=lambda data: self.log.write(stream, data),
            finish=lambda: self.log.end(stream),
        )

    def _close_input(self) -> None:
        if self.stdin is not None:
            self.stdin.close()
        if self.terminal is not None:
            os.close(self.terminal)
            self.terminal = None

    def _message(self, policy: str, code: int) -> str:
        with self.launch.message_file.open("rb") as file:
            text = file.read(MESSAGE_BYTES)
        if not text and policy == "FallbackToLogsOnError" and code != 0:
            text = tail(self.log.folder, self.log.run, _FALLBACK_LINES, _FALLBACK_BYTES)
        return text.decode("utf-8", "replace")


def set_size(terminal: int, columns: int, rows: int) -> None:
    """Tell a terminal its size; its foreground process gets SIGWINCH."""
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
