"""Pods that were stopped from outside: by the node, the control plane or a person."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from podlift.pods.causes import Cause, Diagnosis
from podlift.pods.reading import (
    Event,
    Pod,
    PodCondition,
    condition,
    container_status,
    exit_code,
    has_started,
    is_deleted,
)
from podlift.pods.wording import quote

_POD_REASONS = {
    "DeadlineExceeded": Cause.DEADLINE,
    "Evicted": Cause.EVICTED,
    "Preempting": Cause.PREEMPTED,
    "NodeLost": Cause.NODE_LOST,
    "NodeShutdown": Cause.NODE_SHUTDOWN,
    "Shutdown": Cause.NODE_SHUTDOWN,
    "Terminated": Cause.NODE_SHUTDOWN,
}
"""``status.reason`` as the kubelet and the node controllers set it on a pod that they end."""

_DISRUPTIONS = {
    "EvictionByEvictionAPI": Cause.EVICTED,
    "PreemptionByScheduler": Cause.PREEMPTED,
    "DeletionByTaintManager": Cause.NODE_LOST,
    "DeletionByPodGC": Cause.NODE_LOST,
    "TerminationByKubelet": Cause.EVICTED,
}
"""https://kubernetes.io/docs/concepts/workloads/pods/disruptions/#pod-disruption-conditions"""

_OWN_STORAGE = (
    "ephemeral local storage usage exceeds",
    "exceeded its local ephemeral storage",
    "usage of emptydir volume",
)

_SENTENCES = {
    Cause.DEADLINE: "The pod ran longer than its deadline",
    Cause.EVICTED: "The pod was evicted from its node",
    Cause.OUT_OF_STORAGE: "The pod used more local storage than it may and was evicted",
    Cause.PREEMPTED: "The pod was preempted by one of higher priority",
    Cause.NODE_LOST: "The pod's node was lost",
    Cause.NODE_SHUTDOWN: "The pod was ended because its node was shut down",
    Cause.REJECTED: "The node refused the pod",
    Cause.DELETED: "Someone deleted the pod",
}


def stopped_from_outside(pod: Pod, events: Sequence[Event], main: str) -> Diagnosis | None:
    cause = outside_cause(pod, main)
    if cause is None:
        return None
    sentence = _SENTENCES[cause]
    if cause is Cause.DEADLINE and pod.spec.active_deadline_seconds is not None:
        sentence += f" of {pod.spec.active_deadline_seconds} seconds"
    if pod.spec.node_name and cause in (Cause.NODE_LOST, Cause.EVICTED, Cause.REJECTED):
        sentence += f" ({pod.spec.node_name})"
    if cause is Cause.DELETED:
        sentence += _what_it_was_doing(pod, events)
    else:
        sentence += quote(_outside_message(pod))
    code = exit_code(pod, main)
    return Diagnosis.of(cause, sentence.rstrip(".") + ".", main if code is not None else None, code)


def outside_cause(pod: Pod, main: str) -> Cause | None:
    """Who ended the pod, unless its main container had ended before."""
    return _ended_by_node(pod, main) or _disrupted(pod, main) or _deleted(pod, main)


def _ended_by_node(pod: Pod, main: str) -> Cause | None:
    status = pod.status
    if status.phase != "Failed" or not status.reason:
        return None
    cause = _POD_REASONS.get(status.reason)
    if cause is None:
        return Cause.REJECTED if _was_refused(pod) else None
    if _ended_before_others(pod, main):
        return None
    if cause is Cause.EVICTED and any(text in status.message.lower() for text in _OWN_STORAGE):
        return Cause.OUT_OF_STORAGE
    return cause


_REFUSALS = {"NodeAffinity", "UnexpectedAdmissionError", "TopologyAffinityError"}


def _was_refused(pod: Pod) -> bool:
    """The kubelet has more reasons than are listed; a refused pod has no container status."""
    status = pod.status
    if status.reason in _REFUSALS or status.reason.startswith("OutOf"):
        return not has_started(pod)
    return not status.container_statuses and not status.init_container_statuses


def _disrupted(pod: Pod, main: str) -> Cause | None:
    disruption = _disruption(pod)
    if disruption is None or _ended_before(pod, main, disruption.last_transition_time):
        return None
    return _DISRUPTIONS.get(disruption.reason, Cause.EVICTED)


def _deleted(pod: Pod, main: str) -> Cause | None:
    if not is_deleted(pod) or _ended_before(pod, main, _deletion_request(pod)):
        return None
    return Cause.DELETED


def _disruption(pod: Pod) -> PodCondition | None:
    found = condition(pod, "DisruptionTarget")
    return found if found is not None and found.status == "True" else None


def _deletion_request(pod: Pod) -> datetime | None:
    """``deletionTimestamp`` is when the grace period ends, not when it was asked for."""
    end = pod.metadata.deletion_timestamp
    return end and end - timedelta(seconds=pod.metadata.deletion_grace_period_seconds or 0)


def _ended_before(pod: Pod, main: str, moment: datetime | None) -> bool:
    """Whether the main container ended by itself before that moment, to the server's second.

    The same second counts as after: a success that was not one is worse than a try too many.
    """
    status = container_status(pod, main)
    ended = status.state.terminated if status else None
    return bool(ended and ended.finished_at and moment and ended.finished_at < moment)


def _ended_before_others(pod: Pod, main: str) -> bool:
    """The kubelet does not say when it ended a pod. A main container that stopped while another ran
    on was done by itself; one that was the pod's last was stopped.
    """
    others = [s.state.terminated for s in pod.status.container_statuses if s.name != main]
    ends = [other.finished_at for other in others if other and other.finished_at]
    return bool(ends) and _ended_before(pod, main, max(ends))


def _outside_message(pod: Pod) -> str:
    disruption = _disruption(pod)
    return pod.status.message or (disruption.message if disruption else "")


def _what_it_was_doing(pod: Pod, events: Sequence[Event]) -> str:
    if has_started(pod):
        return " while it was running"
    last = max(filter(_tells_something, events), key=lambda event: event.last_seen, default=None)
    return " before it had started" + (
        f"; the last warning was{quote(last.message)}" if last else ""
    )


def _tells_something(event: Event) -> bool:
    """``Error: ErrImagePull`` follows on the event that says why; it says nothing itself."""
    return event.type == "Warning" and len(event.message.split()) > 2
