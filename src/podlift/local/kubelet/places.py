"""Where the kubelet keeps what belongs to a pod."""

from __future__ import annotations

from pathlib import Path


def pod_folder(home: Path, uid: str) -> Path:
    """Everything that is kept of one pod."""
    return home / "pods" / uid


def container_folder(folder: Path, name: str) -> Path:
    """A container's logs and runs within its pod's folder."""
    return folder / "containers" / name
