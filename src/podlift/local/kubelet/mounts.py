"""Where a container's volumes appear: mount points, by the machine's own paths; mostly pure."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from podlift.local.kubelet.contract import Obj


@dataclass(frozen=True, slots=True)
class Mount:
    """A file or folder of the machine that a container sees at ``target``."""

    source: str
    target: str
    read_only: bool = False

    @property
    def in_place(self) -> bool:
        """Whether the container sees it there anyway (a hostPath at its own path)."""
        return not self.read_only and os.path.realpath(self.source) == self.target


def status_mounts(container: Obj) -> list[Obj]:
    """The ``volumeMounts`` of a container's status."""
    return [_status_mount(mount) for mount in container.get("volumeMounts") or ()]


def _status_mount(mount: Obj) -> Obj:
    told = {"name": mount["name"], "mountPath": mount["mountPath"]}
    if mount.get("readOnly"):
        told |= {"readOnly": True, "recursiveReadOnly": "Disabled"}
    return told


def machine_path(path: str, mounts: Sequence[Mount]) -> str:
    """Where on the machine a container's *path* is, through its mounts.

    Links are followed as far as they exist on the machine.
    """
    real = os.path.realpath(path)
    for mount in sorted(mounts, key=lambda one: len(one.target), reverse=True):
        if real == mount.target or real.startswith(mount.target.rstrip("/") + "/"):
            return os.path.realpath(mount.source + real[len(mount.target.rstrip("/")) :])
    return real


def missing_anchors(targets: Sequence[str]) -> list[str]:
    """The deepest existing folders above those targets that do not exist, outermost first.

    A mount needs a place. Making it on the machine would leave traces (and needs the right), so
    each such folder is shown to the container as a copy in memory that holds the same entries.
    A target inside another one has its place in that volume.
    """
    anchors = set()
    for target in targets:
        path = Path(target)
        inside = any(other != target and path.is_relative_to(other) for other in targets)
        if not inside and not path.exists():
            anchors.add(str(next(parent for parent in path.parents if parent.exists())))
    return sorted(anchors)
