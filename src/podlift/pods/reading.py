"""Pods and events as the server reports them, reduced to the fields that Podlift reads.

Decoding skips every other field, which is what makes a watch of thousands of pods cheap. Field
meanings: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#PodStatus
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TypeAlias

import msgspec

from podlift.pods.plain import Manifest
from podlift.pods.queues import QUEUE

Quantity: TypeAlias = str | int | float


class _Read(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """Unknown fields are skipped and absent ones take their default.

    Nothing of it refers back to itself, so the garbage collector need not look at thousands of
    pods again and again.
    """


class ObjectMeta(_Read, frozen=True, kw_only=True):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    deletion_grace_period_seconds: int | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    finalizers: tuple[str, ...] = ()


class Resources(_Read, frozen=True, kw_only=True):
    requests: dict[str, Quantity] = {}
    limits: dict[str, Quantity] = {}


class Container(_Read, frozen=True, kw_only=True):
    name: str
    image: str = ""
    resources: Resources = Resources()
    restart_policy: str | None = None
    """``Always`` makes an init container a sidecar; None otherwise."""


class PodSpec(_Read, frozen=True, kw_only=True):
    containers: tuple[Container, ...] | None = ()
    """None only in the empty pod of a watch's bookmark, which says ``null``."""
    init_containers: tuple[Container, ...] = ()
    node_name: str = ""
    restart_policy: str = "Always"
    active_deadline_seconds: int | None = None


class Waiting(_Read, frozen=True, kw_only=True):
    reason: str = ""
    message: str = ""


class Running(_Read, frozen=True, kw_only=True):
    started_at: datetime | None = None


class Terminated(_Read, frozen=True, kw_only=True):
    exit_code: int = 0
    signal: int | None = None
    reason: str = ""
    message: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None


class ContainerState(_Read, frozen=True, kw_only=True):
    """At most one of the three is there; none at all means waiting."""

    waiting: Waiting | None = None
    running: Running | None = None
    terminated: Terminated | None = None


class ContainerStatus(_Read, frozen=True, kw_only=True):
    name: str
    state: ContainerState = ContainerState()
    last_state: ContainerState = ContainerState()
    restart_count: int = 0
    image: str = ""
    ready: bool = False


class PodCondition(_Read, frozen=True, kw_only=True):
    type: str
    status: str = "Unknown"
    reason: str = ""
    message: str = ""
    last_transition_time: datetime | None = None


class PodStatus(_Read, frozen=True, kw_only=True):
    phase: str = "Pending"
    reason: str = ""
    message: str = ""
    conditions: tuple[PodCondition, ...] = ()
    init_container_statuses: tuple[ContainerStatus, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()
    start_time: datetime | None = None


class Pod(_Read, frozen=True, kw_only=True):
    metadata: ObjectMeta = ObjectMeta()
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


class ObjectReference(_Read, frozen=True, kw_only=True):
    kind: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""
    field_path: str = ""


class EventSeries(_Read, frozen=True, kw_only=True):
    count: int = 1
    last_observed_time: datetime | None = None


class Event(_Read, frozen=True, kw_only=True):
    """A core/v1 Event: what some component had to say about an object."""

    metadata: ObjectMeta = ObjectMeta()
    involved_object: ObjectReference = ObjectReference()
    type: str = "Normal"
    reason: str = ""
    message: str = ""
    count: int | None = None
    first_timestamp: datetime | None = None
    last_timestamp: datetime | None = None
    event_time: datetime | None = None
    series: EventSeries | None = None

    @property
    def last_seen(self) -> datetime:
        """When it happened last; newer reporters fill other fields for it than the kubelet."""
        series = self.series.last_observed_time if self.series else None
        seen = series or self.last_timestamp or self.event_time or self.first_timestamp
        return seen or self.metadata.creation_timestamp or datetime.min.replace(tzinfo=UTC)


_pod_decoder = msgspec.json.Decoder(Pod)


def decode_pod(data: bytes | str) -> Pod:
    """Read a pod from the server's JSON. Raises ``msgspec.DecodeError`` for what is not a pod."""
    return _pod_decoder.decode(data)


def read_pod(manifest: Manifest) -> Pod:
    """Read a pod from a plain dict. Raises ``msgspec.ValidationError`` for what is not a pod."""
    return msgspec.convert(manifest, Pod)


def container_status(pod: Pod, name: str) -> ContainerStatus | None:
    """Status of the container or init container called ``name``; None until there is one."""
    for status in (*pod.status.container_statuses, *pod.status.init_container_statuses):
        if status.name == name:
            return status
    return None


def condition(pod: Pod, kind: str) -> PodCondition | None:
    """The pod's condition of that type, if the server reports one."""
    return next((each for each in pod.status.conditions if each.type == kind), None)


def is_finished(pod: Pod) -> bool:
    """Whether the pod reached its end: nothing in it will run again."""
    return pod.status.phase in ("Succeeded", "Failed")


def is_deleted(pod: Pod) -> bool:
    """Whether someone asked for the pod's deletion; its containers may still be running."""
    return pod.metadata.deletion_timestamp is not None


def has_started(pod: Pod, container: str | None = None) -> bool:
    """Whether the process of ``container`` (default: of any but the init containers) ever ran.

    A container whose command could not be started, and one that vanished before it ran, never did.
    """
    if container is None:
        return any(_ever_ran(status) for status in pod.status.container_statuses)
    status = container_status(pod, container)
    return status is not None and _ever_ran(status)


def exit_code(pod: Pod, container: str) -> int | None:
    """The exit code with which ``container`` ended; None while that was not observed.

    The kubelet's 137 for a container that it cannot find any more is no observation.
    """
    status = container_status(pod, container)
    ended = status.state.terminated if status else None
    if ended is None or ended.reason == "ContainerStatusUnknown":
        return None
    return ended.exit_code


NEVER_RAN: frozenset[str] = frozenset(
    {"StartError", "ContainerCannotRun", "ContainerStatusUnknown"}
)
"""Reasons of ``terminated`` that come without a process: no start time, or the epoch's."""


def _ever_ran(status: ContainerStatus) -> bool:
    if status.state.running or status.restart_count:
        return True
    ended = status.state.terminated
    if ended is None:
        return False
    return ended.reason not in NEVER_RAN or bool(ended.started_at and ended.started_at.year > 1970)


def pending_reason(pod: Pod, events: Iterable[Event] = ()) -> str | None:
    """Say in words what a pod waits for before its containers run; None once they do.

    With the pod's events the answer knows of volumes that cannot be mounted and of images being
    pulled, which the pod's own status does not tell.
    """
    if pod.status.phase != "Pending" or has_started(pod):
        return None
    if any(status.state.terminated for status in pod.status.container_statuses):
        return None
    if is_deleted(pod):
        return "it is being deleted"
    return _not_scheduled(pod) or _waiting_container(pod) or _preparing(pod, list(events))


def is_queued(pod: Pod) -> bool:
    """Whether Kueue holds the pod back until its queue has room, however long that takes."""
    scheduled = condition(pod, "PodScheduled")
    gated = scheduled is not None and scheduled.reason == "SchedulingGated"
    return gated and QUEUE in pod.metadata.labels


def _not_scheduled(pod: Pod) -> str | None:
    scheduled = condition(pod, "PodScheduled")
    if scheduled is None:
        return None if pod.spec.node_name else "waiting for the scheduler"
    if scheduled.status == "True":
        return None
    if is_queued(pod):
        return f"held back by Kueue until its queue {pod.metadata.labels[QUEUE]!r} has room"
    if scheduled.reason == "SchedulingGated":
        return f"held back by its scheduling gates: {scheduled.message}"
    return f"no node takes it: {scheduled.message or scheduled.reason}"


_PREPARING = frozenset({"", "ContainerCreating", "PodInitializing"})


def _waiting_container(pod: Pod) -> str | None:
    for status in (*pod.status.init_container_statuses, *pod.status.container_statuses):
        waiting = status.state.waiting
        if waiting and waiting.reason not in _PREPARING:
            return _words(f"container {status.name!r} waits", waiting.reason, waiting.message)
    return None


def _preparing(pod: Pod, events: list[Event]) -> str:
    sidecars = {c.name for c in pod.spec.init_containers if c.restart_policy == "Always"}
    for status in pod.status.init_container_statuses:
        if status.state.running and status.name not in sidecars:
            return f"init container {status.name!r} is running"
    last = latest_event(events, _WORTH_SAYING)
    if last is not None and last.reason != "Pulled":
        return last.message
    node = f" on node {pod.spec.node_name}" if pod.spec.node_name else ""
    return f"its containers are being created{node}"


_WORTH_SAYING = (
    "Pulling",
    "Pulled",
    "FailedMount",
    "FailedAttachVolume",
    "FailedMapVolume",
    "FailedCreatePodSandBox",
)


def latest_event(events: Iterable[Event], reasons: Sequence[str]) -> Event | None:
    """The event that happened last among those with one of the reasons; None if there is none."""
    found = [event for event in events if event.reason in reasons]
    return max(found, key=lambda event: event.last_seen, default=None)


def _words(*parts: str) -> str:
    return ": ".join(part.strip() for part in parts if part.strip())
