"""Say why a pod failed or does not start: a pure function of the pod's status and its events.

What the rules rely on was recorded from a real cluster, case by case; the tests hold the answer for
every step of every recording. Two facts shape them. Out of memory and exit codes are told by the
container's status, an eviction or a deadline by the pod's. And whoever stops a pod from outside
leaves a mark on it *before* its containers end, so that the exit code which follows is theirs.
"""

from __future__ import annotations

from collections.abc import Sequence

from podlift.pods.causes import POLICIES, Cause, Diagnosis, Policy, Stage
from podlift.pods.ends import init_container_end, main_container_end
from podlift.pods.holdups import held_up
from podlift.pods.outside import outside_cause, stopped_from_outside
from podlift.pods.reading import Event, Pod, exit_code, has_started, is_finished
from podlift.pods.wording import quote

__all__ = ["POLICIES", "Cause", "Diagnosis", "Policy", "Stage", "diagnose", "has_succeeded"]


def diagnose(
    pod: Pod, events: Sequence[Event] = (), *, main: str = "base", gone: bool = False
) -> Diagnosis | None:
    """Say what is wrong with ``pod``; None while nothing is, and when it succeeded.

    A pod that pends for a reason that may heal is diagnosed too: ask ``can_heal``. ``events`` are
    the pod's own; without them, volumes and sandboxes that fail look like a slow start.
    ``gone`` says that the API server no longer has the pod, which is then the last state known.
    """
    if has_succeeded(pod, main):
        return None
    return (
        stopped_from_outside(pod, events, main)
        or init_container_end(pod)
        or main_container_end(pod, main)
        or held_up(pod, events)
        or _unexplained_end(pod, main, gone)
    )


def has_succeeded(pod: Pod, main: str = "base") -> bool:
    """Whether exit code 0 of the main container was observed, and was its own.

    A program that ends with 0 because it was told to stop (deletion, eviction, deadline) has not
    succeeded. Other containers do not matter.
    """
    return exit_code(pod, main) == 0 and outside_cause(pod, main) is None


def _unexplained_end(pod: Pod, main: str, gone: bool) -> Diagnosis | None:
    if is_finished(pod):
        words = f"{pod.status.reason} {pod.status.message}".strip()
        sentence = f"The pod ended as {pod.status.phase} without an exit code of container {main!r}"
        return Diagnosis.of(Cause.UNREPORTED, f"{sentence}{quote(words)}.", main)
    if gone:
        last = "while it was running" if has_started(pod) else "before it had started"
        return Diagnosis.of(Cause.VANISHED, f"The pod vanished from the API server {last}.")
    return None
