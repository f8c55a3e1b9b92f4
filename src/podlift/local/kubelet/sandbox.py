"""How a container is kept apart from the machine: bubblewrap, or nothing.

Inside, the machine's files are as they are; only the container's volumes, a ``/dev`` of its own
and its own process ids differ. See https://github.com/containers/bubblewrap.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass

from podlift.local.kubelet.mounts import Mount, missing_anchors

#: Devices that programs of this machine may need beside the usual null, zero, random and tty.
_EXTRA_DEVICES = ("dri", "fuse", "kvm", "net", "nvidia0", "nvidiactl", "nvidia-uvm")

#: A folder with more entries is not copied for the sake of a mount point in it.
MOST_ENTRIES = 500

TERMINATION_LOG = "/dev/termination-log"


class CannotMount(Exception):
    """A mount point cannot be made; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A bubblewrap that was found to work."""

    program: str

    def arguments(self, mounts: Sequence[Mount], cwd: str, status_fd: int) -> list[str]:
        """The command line up to the container's own command.

        Bubblewrap writes lines of JSON to *status_fd*: the id of the container's first process,
        and at its end an exit code, if the command was reached at all. That process is number 1
        of its namespace, so that signals reach it as they do on a real node: SIGTERM without a
        handler does nothing. Raises :class:`CannotMount`.
        """
        line = [self.program, "--die-with-parent", "--unshare-pid", "--as-pid-1"]
        line += ["--json-status-fd", str(status_fd), "--dev-bind", "/", "/"]
        line += _places([mount.target for mount in mounts])
        line += ["--dev", "/dev", *_devices(), "--proc", "/proc"]
        for mount in sorted(mounts, key=lambda one: one.target):
            line += ["--ro-bind" if mount.read_only else "--bind", mount.source, mount.target]
        return [*line, "--chdir", cwd, "--"]


def _devices() -> list[str]:
    line = []
    for name in _EXTRA_DEVICES:
        if os.path.exists(f"/dev/{name}"):
            line += ["--dev-bind", f"/dev/{name}", f"/dev/{name}"]
    return line


def _places(targets: Sequence[str]) -> list[str]:
    """Make room for mount points that the machine does not have."""
    elsewhere = [target for target in targets if not target.startswith("/dev/")]
    line: list[str] = []
    for anchor in missing_anchors(elsewhere):
        line += ["--tmpfs", anchor]
        for entry in _entries(anchor):
            path = os.path.join(anchor, entry)
            if os.path.islink(path):
                line += ["--symlink", os.readlink(path), path]
            else:
                line += ["--dev-bind", path, path]
    return line


def _entries(folder: str) -> list[str]:
    entries = sorted(os.listdir(folder))
    if len(entries) > MOST_ENTRIES:
        raise CannotMount(
            f"{folder} holds {len(entries)} entries, too many to add a mount point beside them; "
            "make the folder of the mount on this machine first"
        )
    return entries


async def find_sandbox() -> Sandbox | None:
    """Bubblewrap, where it is installed and really able to do what containers need."""
    program = shutil.which("bwrap")
    if program is None:
        return None
    read_end, write_end = os.pipe()
    try:
        line = Sandbox(program).arguments([], "/", write_end)
        process = await asyncio.create_subprocess_exec(
            *line,
            "true",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            pass_fds=[write_end],
        )
        works = await process.wait() == 0
    finally:
        os.close(read_end)
        os.close(write_end)
    return Sandbox(program) if works else None
