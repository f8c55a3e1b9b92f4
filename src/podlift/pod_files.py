"""Files that hold a pod: the templates of executor and operator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from podlift.pods.plain import Manifest


def read_pod_file(path: str, what: str) -> Manifest:
    """The pod in a YAML file; ``what`` names the file in messages.

    Raises ``OSError``, and ``ValueError`` in a sentence for what is no pod.
    """
    try:
        pod: Any = yaml.safe_load(Path(path).read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{what} {path} is not YAML: {error}") from error
    if not isinstance(pod, dict) or pod.get("kind", "Pod") != "Pod":
        raise ValueError(f"{what} {path} does not hold one object of kind Pod.")
    return pod
