"""Pod template files of a task, on the worker's disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from podlift.operators.errors import PodNotCreated
from podlift.pods.plain import Manifest


def read_template(path: str) -> Manifest:
    """The pod in a YAML file. Raises ``PodNotCreated`` in a sentence."""
    try:
        pod: Any = yaml.safe_load(Path(path).read_text("utf-8"))
    except OSError as error:
        raise PodNotCreated(f"pod_template_file cannot be read: {error}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise PodNotCreated(f"pod_template_file {path} is not YAML: {error}") from error
    if not isinstance(pod, dict) or pod.get("kind", "Pod") != "Pod":
        raise PodNotCreated(f"pod_template_file {path} does not hold one object of kind Pod.")
    return pod
