"""Wait until the base container has started, and say what it waits for."""

from __future__ import annotations

import time

from podlift.pods.diagnosis import diagnose
from podlift.pods.reading import (
    container_status,
    has_started,
    is_deleted,
    is_finished,
    is_queued,
    pending_reason,
)
from podlift.runs.listening import Listener
from podlift.runs.options import RunOptions
from podlift.runs.watching import PodView


async def wait_for_start(view: PodView, options: RunOptions, listener: Listener) -> float | None:
    """Return None when the base container has started or never will.

    Otherwise its time has passed: that to be given a node, or from then on that to start. How
    long it was, in seconds, is returned. What a pod waits in a queue of Kueue does not count.
    """
    base, began, told = options.base, time.monotonic(), ""
    scheduled: float | None = None
    while not (has_started(view.pod, base) or is_over(view, base)):
        if scheduled is None and view.pod.spec.node_name:
            scheduled = time.monotonic()
        if is_queued(view.pod):
            began = time.monotonic()  # its time begins when it is let go
        reason = pending_reason(view.pod, view.events) or ""
        if reason and reason != told and options.tell_startup_events:
            listener.info(f"The pod is pending: {reason}")
            told = reason
        since, timeout = (
            (began, options.schedule_timeout)
            if scheduled is None
            else (scheduled, options.startup_timeout)
        )
        remaining = since + timeout - time.monotonic()
        if remaining <= 0:
            return timeout
        await view.change(remaining)
    if has_started(view.pod, base):
        node = view.pod.spec.node_name
        listener.info(f"Container {base!r} has started" + (f" on node {node}." if node else "."))
    return None


def is_over(view: PodView, base: str) -> bool:
    """Whether nothing more is to be expected of the base container."""
    status = container_status(view.pod, base)
    if view.gone or is_finished(view.pod) or (status is not None and status.state.terminated):
        return True
    if has_started(view.pod, base) or is_deleted(view.pod):
        return False
    found = diagnose(view.pod, view.events, main=base)
    if found is None or found.exit_code is not None:
        return False  # where an init container has ended, the pod is about to
    return not found.can_heal
