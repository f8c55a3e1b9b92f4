"""Pod template files of a task, on the worker's disk."""

from __future__ import annotations

from podlift.operators.errors import PodNotCreated
from podlift.pod_files import read_pod_file
from podlift.pods.plain import Manifest


def read_template(path: str) -> Manifest:
    """The pod in a YAML file. Raises ``PodNotCreated`` in a sentence."""
    try:
        return read_pod_file(path, "pod_template_file")
    except OSError as error:
        raise PodNotCreated(f"pod_template_file cannot be read: {error}") from error
    except ValueError as error:
        raise PodNotCreated(str(error)) from error
