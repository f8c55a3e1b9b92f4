"""Where the kubelet keeps what belongs to a pod."""

from __future__ import annotations

from pathlib import Path


def pod_folder(home: Path, uid: str) -> Path:
    """Everything that is kept of one pod."""
    return home / "pods" / uid


def credentials_folder(home: Path) -> Path:
    """The service accounts' tokens, by namespace; good for one run of the cluster."""
    return home / "credentials"


def container_folder(folder: Path, name: str) -> Path:
    """A container's logs and runs within its pod's folder."""
    return folder / "containers" / name


def message_file(folder: Path, run: int, container_id: str) -> Path:
    """A run's termination message, in its container's folder.

    Its name is also the record by which leftover processes are known at the next start.
    """
    return folder / f"{run}.{container_id}.message"


def recorded_ids(home: Path) -> set[str]:
    """The ids of all containers that were started and whose pods are still kept."""
    return {path.name.split(".")[1] for path in home.glob("pods/*/containers/*/*.message")}
