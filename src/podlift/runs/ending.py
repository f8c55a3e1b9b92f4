"""Wait for the end of the base container, whatever other containers do."""

from __future__ import annotations

import time

from podlift.pods.reading import is_deleted
from podlift.runs.listening import Listener
from podlift.runs.starting import is_over
from podlift.runs.watching import PodView

_LINGER = 60.0
"""Seconds beyond its grace period that a deleted pod gets to show its end."""


async def wait_for_end(view: PodView, base: str, listener: Listener) -> None:
    """Return when nothing more is to be expected of ``base``.

    That is also some time after the pod was deleted: on a node that is lost, nothing confirms the
    end of a pod.
    """
    lingers_until: float | None = None
    while not is_over(view, base):
        if is_deleted(view.pod) and lingers_until is None:
            grace = view.pod.metadata.deletion_grace_period_seconds or 0
            lingers_until = time.monotonic() + grace + _LINGER
            listener.warning("The pod is being deleted; waiting for it to end.")
        remaining = lingers_until - time.monotonic() if lingers_until else None
        if (remaining is not None and remaining <= 0) or not await view.change(remaining):
            return
