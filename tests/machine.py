"""Pods that run this machine's own Python, Airflow and Podlift, on the local and the real cluster.

Their image is empty; the machine's folders are mounted where they are on the machine, read-only.
ADR 8 says why that is enough.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

IMAGE = "podlift.dev/machine:1"
ROOT = Path(__file__).resolve().parents[1]

_SYSTEM = ("/usr", "/bin", "/lib", "/lib64")


@dataclass(frozen=True)
class Machine:
    """This machine as pods see it.

    Attributes:
        address: where pods reach what listens on this machine.
    """

    address: str

    def pod(self, *command: str, folders: tuple[Path, ...] = (), **environment: str) -> Any:
        """A pod whose container ``base`` runs a command of this machine.

        ``folders`` are mounted beside those that Python needs, and can be written to.
        """
        mounted = [(folder, True) for folder in _python_folders()]
        mounted += [(folder, False) for folder in folders]
        values = {"HOME": "/tmp", "LANG": "C.UTF-8", "PATH": f"{sys.prefix}/bin:/usr/bin:/bin"}
        values |= {"PYTHONDONTWRITEBYTECODE": "1", **environment}
        container = {
            "name": "base",
            "image": IMAGE,
            "imagePullPolicy": "IfNotPresent",
            "command": list(command),
            "env": [{"name": name, "value": value} for name, value in values.items()],
            "volumeMounts": [
                {"name": f"machine-{index}", "mountPath": str(folder), "readOnly": read_only}
                for index, (folder, read_only) in enumerate(mounted)
            ],
        }
        volumes = [
            {"name": f"machine-{index}", "hostPath": {"path": str(folder), "type": "Directory"}}
            for index, (folder, _) in enumerate(mounted)
        ]
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "spec": {"restartPolicy": "Never", "containers": [container], "volumes": volumes},
        }


def _python_folders() -> list[Path]:
    """The folders that this interpreter and what it imports live in, none inside another."""
    wanted = [*map(Path, _SYSTEM), Path(sys.base_prefix), Path(sys.prefix), ROOT]
    there = sorted({folder for folder in wanted if folder.is_dir()})
    return [
        folder
        for folder in there
        if not any(other != folder and folder.is_relative_to(other) for other in there)
    ]
