"""One installation: made, changed and removed by helm, used by Airflow's REST API."""

from __future__ import annotations

import base64
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from tests.install.commands import CHART, Commands
from tests.install.images import Loaded
from tests.install.rest import Rest

RELEASE = "airflow"
OLDER = "0.0.1"
_SMALL = {"requests": {"cpu": "20m", "memory": "128Mi"}, "limits": {"memory": "2Gi"}}
_PATIENT = {"periodSeconds": 10, "timeoutSeconds": 60, "failureThreshold": 30}
_SECONDS = 120.0


@dataclass(frozen=True)
class Installation:
    """A release of the chart in a namespace."""

    commands: Commands
    images: Loaded
    folder: Path

    def apply(self, chart: Path = CHART, **values: Any) -> None:
        """Install it with these values, or upgrade it to them and no others."""
        file = self.folder / "values.yaml"
        file.write_text(yaml.safe_dump({**common_values(self.images), **values}))
        self.commands.helm("upgrade", "--install", RELEASE, chart, f"--values={file}")
        ready(self.commands)

    def older_chart(self) -> Path:
        """The chart as if it were of an older version."""
        versions = (f"--version={OLDER}", f"--app-version={OLDER}")
        self.commands.helm("package", CHART, *versions, f"--destination={self.folder}")
        return self.folder / f"podlift-{OLDER}.tgz"

    def rest(self) -> Rest:
        """Its Airflow."""
        return rest(self.commands)

    def uninstall(self) -> None:
        """Remove it, and wait until its pods are gone."""
        self.commands.helm("uninstall", RELEASE, "--wait", "--timeout=120s")
        chosen = f"--selector=app.kubernetes.io/instance={RELEASE}"
        self.commands.kubectl("wait", "pods", chosen, "--for=delete", "--timeout=120s")


def common_values(images: Loaded) -> dict[str, Any]:
    """The images, and what makes all of it fit on a small busy node."""
    component = {"resources": _SMALL, "livenessProbe": _PATIENT}
    started = {
        **component,
        "startupProbe": {**_PATIENT, "periodSeconds": 2, "failureThreshold": 90},
    }
    return {
        "images": {
            "airflow": _image(images.airflow),
            "gitSync": _image(images.git_sync),
            "migrationsWaitTimeout": 600,
        },
        "postgresql": {"image": _image(images.postgres), "resources": _SMALL},
        "scheduler": started,
        "apiServer": {**started, "readinessProbe": {**_PATIENT, "periodSeconds": 2}},
        "dagProcessor": component,
        "triggerer": component,
        "workers": {"resources": _SMALL},
        "migrateDatabaseJob": {"resources": _SMALL},
        # One process serves, where each more takes some seconds and 200 MB to start.
        "config": {"api": {"workers": 1}, "dag_processor": {"refresh_interval": 5}},
    }


def ready(commands: Commands) -> None:
    """Wait until the newest revision runs; tells how things are where it does not come up."""
    try:
        commands.rolled_out()
    except AssertionError as error:
        raise AssertionError(f"{error}\n{commands.state()}") from error


def rest(commands: Commands) -> Rest:
    """The Airflow of a namespace, with the password that was made for it."""
    found = commands.get("secret", f"{RELEASE}-admin")["data"]["password"]
    return Rest(lambda: _address(commands), base64.b64decode(found).decode())


def without_pods(commands: Commands, dag: str) -> None:
    """Wait until no pod of a DAG's tasks is left."""
    end = time.monotonic() + _SECONDS
    while left := commands.get("pods", f"--selector=dag_id={dag}"):
        assert time.monotonic() < end, left
        time.sleep(0.5)


def _address(commands: Commands) -> str:
    """Where an API server's pod is reached from this machine."""
    chosen = "--selector=app.kubernetes.io/component=api-server"
    for pod in commands.get("pods", chosen):
        conditions = {each["type"]: each["status"] for each in pod["status"].get("conditions", ())}
        if conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]:
            return f"http://{pod['status']['podIP']}:8080"
    raise OSError("No pod of the API server is ready.")


def _image(reference: str) -> dict[str, str]:
    repository, _, tag = reference.rpartition(":")
    return {"repository": repository, "tag": tag, "pullPolicy": "Never"}
