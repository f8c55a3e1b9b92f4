"""Finding the program that a container runs, and saying why it cannot be run.

The check comes before the start because a sandbox tells a missing program only by its exit code.
The wording is that of the usual runtimes, by which people search.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from podlift.local.kubelet.mounts import Mount, machine_path

_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class CannotStart(Exception):
    """The container's program cannot be run; the message is the runtime's."""


def find_executable(
    name: str, env: Mapping[str, str], cwd: str, mounts: Sequence[Mount] = ()
) -> str:
    """The absolute path, as the container sees it, of the program called *name*.

    Raises :class:`CannotStart`.
    """
    if "/" in name:
        path = os.path.join(cwd, name)
        wrong = _why_not(path, mounts)
        if wrong:
            raise CannotStart(_sentence(name, wrong))
        return path
    wrong = "executable file not found in $PATH"
    for folder in env.get("PATH", _DEFAULT_PATH).split(":"):
        path = os.path.join(cwd, folder, name)
        why = _why_not(path, mounts)
        if not why:
            return path
        if why.endswith("permission denied"):
            wrong = why
    raise CannotStart(_sentence(name, wrong))


def check_folder(cwd: str, mounts: Sequence[Mount] = ()) -> None:
    """Raises :class:`CannotStart` unless *cwd* can be a container's working directory."""
    real = machine_path(cwd, mounts)
    if not os.path.isdir(real):
        missing = "not a directory" if os.path.exists(real) else "no such file or directory"
        raise CannotStart(
            "failed to create containerd task: failed to create shim task: OCI runtime create "
            f"failed: runc create failed: chdir to cwd ({cwd}) failed: {missing}; the local "
            "cluster runs programs of this machine, so the folder has to exist here: unknown"
        )


def _sentence(name: str, wrong: str) -> str:
    return (
        "failed to create containerd task: failed to create shim task: OCI runtime create failed: "
        f'runc create failed: unable to start container process: exec: "{name}": {wrong}: unknown'
    )


def _why_not(path: str, mounts: Sequence[Mount]) -> str | None:
    real = machine_path(path, mounts)
    if not os.path.exists(real):
        return f"stat {path}: no such file or directory"
    if os.path.isdir(real):
        return "is a directory"
    if not os.access(real, os.X_OK):
        return "permission denied"
    return _format_error(real, mounts)


def _format_error(real: str, mounts: Sequence[Mount]) -> str | None:
    try:
        with open(real, "rb") as file:
            start = file.read(256)
    except PermissionError:
        return None  # executable without being readable
    if start.startswith(b"\x7fELF"):
        return None
    if not start.startswith(b"#!"):
        return "exec format error"
    words = start[2:].split(b"\n")[0].split()
    if not words:
        return "exec format error"
    interpreter = machine_path(os.fsdecode(words[0]), mounts)
    return None if os.path.exists(interpreter) else "no such file or directory"
