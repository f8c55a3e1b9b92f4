"""Pods that have not started: what holds them up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from podlift.pods.causes import Cause, Diagnosis
from podlift.pods.reading import (
    ContainerStatus,
    Event,
    Pod,
    condition,
    has_started,
    is_finished,
    latest_event,
)
from podlift.pods.wording import quote

_WAITING = {
    "InvalidImageName": (Cause.INVALID_IMAGE_NAME, "has an image name that is not valid"),
    "ErrImagePull": (Cause.IMAGE_PULL, "waits for an image that cannot be pulled"),
    "ImagePullBackOff": (Cause.IMAGE_PULL, "waits for an image that cannot be pulled"),
    "ErrImageNeverPull": (Cause.IMAGE_PULL, "waits for an image that is not on the node"),
    "ImageInspectError": (Cause.IMAGE_PULL, "waits for an image that the node cannot read"),
    "RegistryUnavailable": (Cause.IMAGE_PULL, "waits for a registry that cannot be reached"),
    "SignatureValidationFailed": (Cause.IMAGE_PULL, "has an image whose signature is not valid"),
    "CreateContainerConfigError": (Cause.CONFIGURATION, "cannot be configured"),
    "CreateContainerError": (Cause.CREATE_FAILED, "cannot be created"),
    "RunContainerError": (Cause.CREATE_FAILED, "cannot be run"),
    "PreCreateHookError": (Cause.CREATE_FAILED, "cannot be created"),
    "PreStartHookError": (Cause.CREATE_FAILED, "cannot be run"),
    "PostStartHookError": (Cause.CREATE_FAILED, "failed in its postStart hook"),
}

_EVENTS = {
    "FailedMount": Cause.VOLUME,
    "FailedAttachVolume": Cause.VOLUME,
    "FailedMapVolume": Cause.VOLUME,
    "FailedCreatePodSandBox": Cause.SANDBOX,
}
_PROGRESS = ("Scheduled", "Pulling", "Pulled", "Created", "Started")
_ABOUT_VOLUMES = ("persistentvolumeclaim", "volume node affinity conflict", "volume zone")


def held_up(pod: Pod, events: Sequence[Event]) -> Diagnosis | None:
    if is_finished(pod):
        return None
    return _waiting(pod) or _unscheduled(pod) or _held_up_by_node(pod, events)


def _statuses(pod: Pod) -> Iterator[ContainerStatus]:
    yield from pod.status.init_container_statuses
    yield from pod.status.container_statuses


def _waiting(pod: Pod) -> Diagnosis | None:
    for status in _statuses(pod):
        waiting = status.state.waiting
        if waiting is not None and waiting.reason in _WAITING:
            cause, words = _WAITING[waiting.reason]
            sentence = f"Container {status.name!r} {words}{quote(waiting.message)}."
            return Diagnosis.of(cause, sentence, status.name)
    return None


def _unscheduled(pod: Pod) -> Diagnosis | None:
    scheduled = condition(pod, "PodScheduled")
    if scheduled is None or scheduled.status != "False" or scheduled.reason == "SchedulingGated":
        return None
    about_volumes = any(text in scheduled.message.lower() for text in _ABOUT_VOLUMES)
    cause = Cause.VOLUME if about_volumes else Cause.UNSCHEDULABLE
    return Diagnosis.of(cause, f"No node takes the pod{quote(scheduled.message)}.")


def _held_up_by_node(pod: Pod, events: Sequence[Event]) -> Diagnosis | None:
    if has_started(pod) or any(status.state.running for status in _statuses(pod)):
        return None
    last = latest_event(events, (*_EVENTS, *_PROGRESS))
    if last is None or last.reason not in _EVENTS:
        return None
    cause = _EVENTS[last.reason]
    what = "A volume is not ready" if cause is Cause.VOLUME else "The pod's sandbox cannot be made"
    return Diagnosis.of(cause, f"{what}{quote(last.message)}.")
