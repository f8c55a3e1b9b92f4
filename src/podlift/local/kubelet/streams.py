"""``exec`` and ``attach``: a client connected to a process."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Sequence

from podlift.local.errors import InternalError
from podlift.local.kubelet.containers import ContainerRun, set_size
from podlift.local.kubelet.executables import CannotStart, find_executable
from podlift.local.kubelet.inside import DRAIN_SECONDS
from podlift.local.kubelet.pipes import Input, Outlet, Pump
from podlift.local.kubelet.processes import Command, Process, Processes, SpawnFailed


class Exec:
    """A command beside the container's own process; see ``RunningProcess``."""

    def __init__(
        self,
        run: ContainerRun,
        process: Process,
        outputs: list[Pump],
        stdin: Input | None,
        terminal: int | None,
    ) -> None:
        self._run = run
        self._process = process
        self._outputs = outputs
        self._stdin = stdin
        self._terminal = terminal
        self._outlets = [pump.listen() for pump in outputs]
        # Also without anybody waiting: a stray child that keeps the output open must not keep
        # its reader for ever.
        self._end = asyncio.create_task(self._see_end())

    @property
    def stdout(self) -> AsyncIterator[bytes]:
        """What it writes (with a terminal: everything)."""
        return self._outlets[0].__aiter__()

    @property
    def stderr(self) -> AsyncIterator[bytes]:
        """What it writes to its standard error."""
        return (self._outlets[1] if len(self._outlets) > 1 else _nothing()).__aiter__()

    async def write_stdin(self, data: bytes) -> None:
        """Hand over input."""
        if self._stdin is not None:
            await self._stdin.write(data)

    async def close_stdin(self) -> None:
        """No more input; to a terminal that is Ctrl-D."""
        if self._stdin is None:
            return
        if self._terminal is not None:
            await self._stdin.write(b"\x04")
        else:
            self._stdin.close()

    async def resize(self, columns: int, rows: int) -> None:
        """The client's terminal has this size now."""
        if self._terminal is not None:
            set_size(self._terminal, columns, rows)

    async def wait(self) -> int:
        """The exit code, once the output has been read too."""
        return await asyncio.shield(self._end)

    async def kill(self) -> None:
        """End it and all that it started."""
        self._process.kill()
        for pump, outlet in zip(self._outputs, self._outlets, strict=True):
            pump.forget(outlet)
        await self.wait()

    async def _see_end(self) -> int:
        code = await self._process.wait()
        self._run.beside.discard(self._process)
        for pump in self._outputs:
            await pump.drain(DRAIN_SECONDS)
        if self._stdin is not None:
            self._stdin.close()
        if self._terminal is not None:
            os.close(self._terminal)
            self._terminal = None
        return code


class Attachment:
    """A client of the container's own process; see ``RunningProcess``."""

    def __init__(self, run: ContainerRun, *, stdin: bool, once: bool) -> None:
        self._run = run
        self._stdin = run.stdin if stdin else None
        self._once = once
        self._outlets = {stream: pump.listen() for stream, pump in run.outputs.items()}

    @property
    def stdout(self) -> AsyncIterator[bytes]:
        """What the container writes from now on."""
        return self._outlets[b"stdout"].__aiter__()

    @property
    def stderr(self) -> AsyncIterator[bytes]:
        """What it writes to its standard error from now on."""
        return self._outlets.get(b"stderr", _nothing()).__aiter__()

    async def write_stdin(self, data: bytes) -> None:
        """Hand over input."""
        if self._stdin is not None:
            await self._stdin.write(data)

    async def close_stdin(self) -> None:
        """The client has no more; with ``stdinOnce`` nobody will have."""
        if self._stdin is not None and self._once:
            self._stdin.close()

    async def resize(self, columns: int, rows: int) -> None:
        """The client's terminal has this size now."""
        self._run.resize(columns, rows)

    async def wait(self) -> int:
        """The container's exit code."""
        return await self._run.exited()

    async def kill(self) -> None:
        """Let go; the container goes on."""
        for stream, outlet in self._outlets.items():
            self._run.outputs[stream].forget(outlet)
        await self.close_stdin()


async def start_exec(
    run: ContainerRun, processes: Processes, command: Sequence[str], *, stdin: bool, tty: bool
) -> Exec:
    """Start *command* in the container of *run*.

    Raises :class:`~podlift.local.errors.InternalError` when it cannot be started.
    """
    fds: list[int] = []
    terminal = None
    if tty:
        terminal, theirs = os.openpty()
        fds, keep = [theirs, os.dup(theirs), os.dup(theirs)], [os.dup(terminal)]
        feed = os.dup(terminal) if stdin else None
    else:
        out_read, out_write = os.pipe2(os.O_CLOEXEC)
        err_read, err_write = os.pipe2(os.O_CLOEXEC)
        keep = [out_read, err_read]
        feed = None
        if stdin:
            source, feed = os.pipe2(os.O_CLOEXEC)
        else:
            source = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        fds = [source, out_write, err_write]
    try:
        process = await _spawn(run, processes, command, fds, tty=tty)
    except InternalError:
        for fd in [*keep, *(fd for fd in (feed, terminal) if fd is not None)]:
            os.close(fd)
        raise
    finally:
        for fd in fds:
            os.close(fd)
    outputs = [Pump(fd) for fd in keep]
    return Exec(run, process, outputs, Input(feed) if feed is not None else None, terminal)


async def run_command(
    run: ContainerRun, processes: Processes, command: Sequence[str], seconds: float
) -> tuple[int | None, str]:
    """Exit code and output of a command in the container; None when it took too long.

    Raises :class:`~podlift.local.errors.InternalError` when it cannot be started.
    """
    exec_ = await start_exec(run, processes, command, stdin=False, tty=False)
    readers = [asyncio.create_task(_collect(one)) for one in (exec_.stdout, exec_.stderr)]
    try:
        code: int | None = await asyncio.wait_for(exec_.wait(), seconds)
    except TimeoutError:
        code = None
    finally:
        with contextlib.suppress(ProcessLookupError):
            await exec_.kill()
    parts = [await reader for reader in readers]
    return code, b"".join(parts).decode("utf-8", "replace")


async def _spawn(
    run: ContainerRun, processes: Processes, command: Sequence[str], fds: list[int], *, tty: bool
) -> Process:
    launch = run.launch
    await run.entered()
    try:
        file = find_executable(command[0], launch.env, launch.cwd, launch.mounts)
        process = await processes.spawn(
            Command(
                file=file,
                argv=command,
                env=launch.env,
                cwd=launch.cwd,
                cgroups=run.joins,
                enter=run.first_pid,
                tty=tty,
            ),
            fds,
        )
        run.beside.add(process)
        return process
    except (CannotStart, SpawnFailed) as error:
        raise InternalError(
            "Internal error occurred: error executing command in container: failed to exec in "
            f'container: failed to start exec "{run.container_id}": OCI runtime exec failed: exec '
            f"failed: {_last_part(str(error))}"
        ) from error


def _last_part(message: str) -> str:
    return message.partition("runc create failed: ")[2] or message


async def _collect(stream: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in stream])


def _nothing() -> Outlet:
    outlet = Outlet()
    outlet.end()
    return outlet
