"""Pod template files, read once and again when they change."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from podlift.executor.errors import TemplateError
from podlift.pod_files import read_pod_file
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


_LOOK_AGAIN = 1.0
"""Seconds for which a file is taken to be what it was: thousands of tasks may share it."""


@dataclass(frozen=True, slots=True)
class _Read:
    pod: Manifest
    changed: int
    """Modification time of the file, in nanoseconds."""
    looked: float


class TemplateFiles:
    """Keeps what was read of each file until its modification time changes.

    For one event loop, which never waits for the disk.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[str, _Read] = {}
        self._looking: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def load(self, path: str | None) -> Manifest:
        """The pod in the file, as of a second ago; the built-in one for None. Do not change it.

        Raises ``TemplateError`` in a sentence.
        """
        if not path:
            return BUILT_IN
        if self._is_old(path):
            async with self._looking[path]:
                if self._is_old(path):  # nobody else has looked meanwhile
                    looked = self._clock()
                    known = self._known.get(path)
                    self._known[path] = await asyncio.to_thread(_look, path, known, looked)
        return self._known[path].pod

    def _is_old(self, path: str) -> bool:
        known = self._known.get(path)
        return known is None or self._clock() - known.looked >= _LOOK_AGAIN


def _look(path: str, known: _Read | None, now: float) -> _Read:
    try:
        changed = Path(path).stat().st_mtime_ns
        if known is None or known.changed != changed:
            return _Read(read_pod_file(path, "The pod template"), changed, now)
    except OSError as error:
        raise TemplateError(f"The pod template {path} cannot be read: {error}") from error
    except ValueError as error:
        raise TemplateError(str(error)) from error
    return replace(known, looked=now)
