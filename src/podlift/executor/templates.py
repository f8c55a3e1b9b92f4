"""Pod template files, read once and again when they change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from podlift.executor.errors import TemplateError
from podlift.pods.plain import Manifest

BUILT_IN: Manifest = {
    "apiVersion": "v1",
    "kind": "Pod",
    "spec": {
        "restartPolicy": "Never",
        "containers": [
            # If the worker dies without a word, the end of its log says more than its exit code.
            {"name": "base", "terminationMessagePolicy": "FallbackToLogsOnError"}
        ],
    },
}
"""The template where none is configured."""


class TemplateFiles:
    """Keeps what was read of each file until its modification time changes."""

    def __init__(self, home: Path = Path()) -> None:
        self._home = home
        self._read: dict[str, tuple[int, Manifest]] = {}

    def load(self, path: str | None) -> Manifest:
        """The pod in the file; the built-in one for None. Touches the disk. Do not change it.

        A relative path is below the home folder.
        Raises ``TemplateError`` in a sentence.
        """
        if not path:
            return BUILT_IN
        path = str(self._home / path)
        try:
            changed = Path(path).stat().st_mtime_ns
            known = self._read.get(path)
            if known is None or known[0] != changed:
                known = changed, _parse(path, Path(path).read_text("utf-8"))
                self._read[path] = known
        except OSError as error:
            raise TemplateError(f"The pod template {path} cannot be read: {error}") from error
        return known[1]


def _parse(path: str, text: str) -> Manifest:
    try:
        pod: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise TemplateError(f"The pod template {path} is not YAML: {error}") from error
    if not isinstance(pod, dict) or pod.get("kind", "Pod") != "Pod":
        raise TemplateError(f"The pod template {path} does not hold one object of kind Pod.")
    return pod
