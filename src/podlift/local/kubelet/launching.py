"""From a container's spec to what has to be started on this machine."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from podlift.local import quantities
from podlift.local.kubelet.contract import Obj
from podlift.local.kubelet.environment import (
    ConfigError,
    Surroundings,
    command_line,
    environment,
)
from podlift.local.kubelet.executables import check_folder, find_executable
from podlift.local.kubelet.images import image_error
from podlift.local.kubelet.mounts import Mount, machine_path
from podlift.local.kubelet.sandbox import TERMINATION_LOG
from podlift.local.kubelet.spawner import MARKER
from podlift.local.kubelet.volumes import container_mounts

#: Memory below this cannot even hold the loader of a program.
_LEAST_MEMORY = 512 << 10


class CannotCreate(Exception):
    """A container cannot be created (yet): the reason of its waiting state, and why.

    ``event`` is the reason of the event that goes before the usual ``Failed``, if any.
    """

    def __init__(self, reason: str, message: str, event: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.event = event


@dataclass(frozen=True, slots=True)
class Launch:
    """All that is needed to start one run of a container.

    ``file`` is the program as the container sees it. ``message_file`` is what the container sees
    at its terminationMessagePath, if it can see it at all.
    """

    container_id: str
    argv: Sequence[str]
    env: dict[str, str]
    cwd: str
    mounts: Sequence[Mount]
    message_file: Path
    memory_limit: int | None
    stdin: bool
    tty: bool


def check_image(container: Obj) -> None:
    """Raises :class:`CannotCreate` where the image's name is none."""
    wrong = image_error(container.get("image", ""))
    if wrong:
        raise CannotCreate("InvalidImageName", wrong, event="InspectFailed")


def prepare(
    pod: Obj,
    container: Obj,
    *,
    container_id: str,
    around: Surroundings,
    volumes: Mapping[str, Path] | None,
    message_file: Path,
    work: Path,
) -> Launch:
    """Work out the launch of *container*; *volumes* is None without a mount namespace.

    *message_file* takes the termination message, *work* is the default working directory. Raises
    :class:`CannotCreate`.
    """
    try:
        env = environment(pod, container, around)
    except ConfigError as error:
        raise CannotCreate("CreateContainerConfigError", str(error)) from error
    argv = command_line(container, env)
    if not argv:
        raise CannotCreate(
            "CreateContainerError",
            "the local cluster does not pull images and so does not know the entrypoint of "
            f"{container['image']}; set command",
        )
    mounts: list[Mount] = []
    if volumes is not None:
        try:
            mounts = container_mounts(pod, container, volumes, env)
        except (ConfigError, OSError) as error:
            raise CannotCreate("CreateContainerConfigError", str(error)) from error
        path = container.get("terminationMessagePath") or TERMINATION_LOG
        mounts.append(Mount(str(message_file), os.path.realpath(path)))
    limit = ((container.get("resources") or {}).get("limits") or {}).get("memory")
    return Launch(
        container_id=container_id,
        argv=argv,
        env=env | {MARKER: container_id},
        cwd=container.get("workingDir") or _default_folder(work, mounts),
        mounts=mounts,
        message_file=message_file,
        memory_limit=max(int(quantities.parse(str(limit))), _LEAST_MEMORY) if limit else None,
        stdin=bool(container.get("stdin")),
        tty=bool(container.get("tty")),
    )


def _default_folder(work: Path, mounts: Sequence[Mount]) -> str:
    """The pod's own folder, unless a volume is mounted over it, at /tmp say."""
    path = os.path.realpath(work)
    return str(work) if machine_path(path, mounts) == path else "/"


def executable(launch: Launch) -> str:
    """The launch's program as an absolute path.

    Raises :class:`~podlift.local.kubelet.executables.CannotStart`.
    """
    check_folder(launch.cwd, launch.mounts)
    return find_executable(launch.argv[0], launch.env, launch.cwd, launch.mounts)
