"""The pod template file that podlift hands to its executor."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from podlift import __version__
from podlift.cli.errors import BadOption
from podlift.cli.home import Home
from podlift.pods.errors import PodError
from podlift.pods.merging import strategic_merge

Manifest = dict[str, Any]

# Small enough that the eight pods of the demo's mapped task run beside each other on two cores.
_REQUESTS = {"cpu": "100m", "memory": "64Mi"}
# What a program of this machine needs to find itself; everything else is the template's to add.
_INHERITED = ("HOME", "LANG", "LC_ALL", "PATH", "PYTHONPATH", "TZ", "USER", "VIRTUAL_ENV")


def local_template(home: Home, kubeconfig: Path, inherited: Mapping[str, str]) -> Manifest:
    """Return the template for the local cluster, whose containers are processes of this machine.

    A task runs with this interpreter and with the AIRFLOW_HOME of the Airflow that started it.
    KUBECONFIG lets an operator in the pod find the cluster that it runs on.
    """
    environment = {name: inherited[name] for name in _INHERITED if inherited.get(name)}
    environment |= {"AIRFLOW_HOME": str(home.airflow), "KUBECONFIG": str(kubeconfig)}
    container = {
        "name": "base",
        "image": f"podlift.local/this-machine:{__version__}",
        "command": [sys.executable, "-m", "podlift.worker"],
        "env": [{"name": name, "value": value} for name, value in environment.items()],
        "resources": {"requests": dict(_REQUESTS)},
    }
    return _pod(container)


def real_template(image: str) -> Manifest:
    """Return the template for a real cluster: the image brings Airflow, Podlift and the DAGs."""
    return _pod({"name": "base", "image": image, "resources": {"requests": dict(_REQUESTS)}})


def with_user_template(template: Manifest, file: Path | None) -> Manifest:
    """Return the template with the user's own on top (strategic merge, as for `pod_override`).

    Raises BadOption, naming the file and the line, for what is not a pod in YAML.
    """
    if file is None:
        return template
    try:
        return strategic_merge(template, _read(file))
    except PodError as error:
        raise BadOption(f"The pod template {file} cannot be used: {error}") from error


def write_template(template: Manifest, file: Path) -> None:
    """Write the template where `[podlift] pod_template_file` points."""
    text = "# Written by podlift at every start; give your own with --pod-template FILE.\n"
    file.write_text(text + yaml.safe_dump(template, sort_keys=False))


def _read(file: Path) -> Manifest:
    try:
        content = yaml.safe_load(file.read_text())
    except OSError as error:
        raise BadOption(
            f"The pod template {file} cannot be read ({error.strerror}): check --pod-template."
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        problem = " ".join(str(error).split())
        raise BadOption(f"The pod template {file} is not YAML: {problem}") from error
    if not isinstance(content, dict) or content.get("kind") != "Pod":
        raise BadOption(
            f"The pod template {file} is not a pod: it must be a mapping with `kind: Pod`."
        )
    return content


def _pod(container: Manifest) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "podlift-task"},
        "spec": {"restartPolicy": "Never", "containers": [container]},
    }
