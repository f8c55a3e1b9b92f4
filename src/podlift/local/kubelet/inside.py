"""What bubblewrap tells of a container while it makes it, runs it and ends with it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal

from podlift.local.kubelet.pipes import Pump

#: Output of a process that outlives its container is read no longer than this.
DRAIN_SECONDS = 2.0

#: A container of bubblewrap's own is never seen to begin; then we go on after this many looks.
_ENTER_TRIES = 500


class Inside:
    """What bubblewrap tells of the container: its first process, and whether it was reached."""

    def __init__(self) -> None:
        self.pid: int | None = None
        self._pidfd: int | None = None
        self._reached = False
        self._pump: Pump | None = None
        self._told = b""
        self._known = asyncio.Event()

    def open(self) -> int:
        """Begin to listen; returns the end to write to, which is the caller's to close."""
        read_end, write_end = os.pipe2(os.O_CLOEXEC)
        self._pump = Pump(read_end, sink=self._note, finish=self._known.set)
        return write_end

    def close(self) -> None:
        """Stop listening."""
        if self._pump is not None:
            self._pump.close()
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None

    async def known(self) -> None:
        """Wait until the first process is known, if there is to be one."""
        if self._pump is not None:
            await self._known.wait()

    async def begun(self, program: str) -> None:
        """Wait until *program*, which is bubblewrap and tells nobody, has made way."""
        await self.known()
        for _ in range(_ENTER_TRIES):
            try:
                if os.readlink(f"/proc/{self.pid}/exe") != program:
                    return
            except PermissionError:  # a privileged bubblewrap that has not given up its rights yet
                pass
            except FileNotFoundError:
                return
            await asyncio.sleep(0.002)

    async def ended(self) -> None:
        """Wait for all that bubblewrap has to tell; the process has ended."""
        if self._pump is not None:
            await self._pump.drain(DRAIN_SECONDS)
        self.close()

    def failure(self, code: int) -> bool:
        """Whether bubblewrap gave up before the container's own program began."""
        return self._pump is not None and not self._reached and code == 1

    def signal(self, number: int) -> bool:
        """Send a signal to the first process; False where there is none of that kind."""
        if self._pidfd is None:
            return False
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, number)
        return True

    def _note(self, data: bytes) -> None:
        *lines, self._told = (self._told + data).split(b"\n")
        for line in lines:
            fact = json.loads(line)
            self._reached = self._reached or "exit-code" in fact
            if "child-pid" in fact:
                self.pid = fact["child-pid"]
                with contextlib.suppress(ProcessLookupError):
                    self._pidfd = os.pidfd_open(fact["child-pid"])
                self._known.set()
