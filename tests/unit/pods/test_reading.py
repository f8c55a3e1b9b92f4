"""Reading what the server reports."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from podlift.pods.queues import QUEUE
from podlift.pods.reading import (
    Event,
    decode_pod,
    exit_code,
    has_started,
    is_deleted,
    is_finished,
    is_queued,
    latest_event,
    pending_reason,
    read_pod,
)

from .conftest import Recording

Recorded = Callable[[str], Recording]


def test_a_pods_fields_are_read(recording: Recorded) -> None:
    pod = recording("oom-killed").last
    assert pod.metadata.name == "oom-killed"
    assert pod.spec.node_name == "node1"
    assert pod.spec.containers is not None
    assert pod.spec.containers[0].resources.limits == {"memory": "50Mi"}
    assert pod.metadata.creation_timestamp is not None
    assert pod.metadata.creation_timestamp.isoformat() == "2026-11-22T13:10:16+00:00"


def test_the_empty_pod_of_a_bookmark_can_be_read() -> None:
    bookmark = (
        '{"kind":"Pod","metadata":{"resourceVersion":"9"},"spec":{"containers":null},"status":{}}'
    )
    assert decode_pod(bookmark).metadata.resource_version == "9"


def test_what_is_not_a_pod_is_refused() -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_pod(b"[]")


@pytest.mark.parametrize(
    ("case", "started", "finished", "deleted", "code"),
    [
        ("succeeds", True, True, False, 0),
        ("fails-exit-3", True, True, False, 3),
        ("bad-command", False, True, False, 128),
        ("init-fails", False, True, False, None),
        ("image-not-found", False, True, True, None),
        ("rejected-out-of-cpu", False, True, False, None),
        ("force-deleted", True, False, True, None),
        ("node-lost-then-deleted", True, True, True, None),
        ("plain-sidecar-keeps-running", True, True, True, 0),
    ],
)
def test_how_far_a_pod_got(
    case: str, started: bool, finished: bool, deleted: bool, code: int | None, recording: Recorded
) -> None:
    pod = recording(case).last
    assert (has_started(pod), is_finished(pod), is_deleted(pod)) == (started, finished, deleted)
    assert exit_code(pod, "base") == code


@pytest.mark.parametrize(
    ("case", "with_events", "expected"),
    [
        (
            "init-then-main",
            False,
            [
                "waiting for the scheduler",
                "its containers are being created on node node1",
                "init container 'setup' is running",
                "its containers are being created on node node1",
                None,
            ],
        ),
        (
            "missing-configmap-volume",
            True,
            [
                "waiting for the scheduler",
                'MountVolume.SetUp failed for volume "v" : configmap "nope" not found',
                "it is being deleted",
                None,
            ],
        ),
        (
            "scheduling-gated",
            False,
            [
                "held back by its scheduling gates: "
                "Scheduling is blocked due to non-empty scheduling gates",
                "it is being deleted",
            ],
        ),
        (
            "preemptor",
            False,
            [
                "waiting for the scheduler",
                "no node takes it: 0/1 nodes are available: 1 Insufficient cpu.",
                "its containers are being created on node node1",
                None,
            ],
        ),
        (
            "missing-secret-env",
            False,
            [
                "waiting for the scheduler",
                "its containers are being created on node node1",
                "container 'base' waits: CreateContainerConfigError: secret \"nope\" not found",
                "it is being deleted",
                None,
            ],
        ),
    ],
)
def test_what_a_pod_waits_for(
    case: str, with_events: bool, expected: list[str | None], recording: Recorded
) -> None:
    recorded = recording(case)
    told: list[str | None] = []
    for step in recorded.steps:
        words = pending_reason(step.pod, recorded.events if with_events else ())
        if not told or told[-1] != words:
            told.append(words)
    assert told == expected


def test_a_pull_is_known_by_its_event(recording: Recorded) -> None:
    recorded = recording("image-not-found")
    assert pending_reason(recorded.steps[2].pod, recorded.events) == (
        'Pulling image "registry.invalid/no/such:1"'
    )


def test_the_latest_event_counts_by_whatever_time_it_carries() -> None:
    events = msgspec.convert(
        [
            {"reason": "a", "lastTimestamp": "2026-01-01T00:00:01Z"},
            {"reason": "b", "eventTime": "2026-01-01T00:00:03.000001Z"},
            {"reason": "c", "series": {"count": 3, "lastObservedTime": "2026-01-01T00:00:02Z"}},
            {"reason": "a"},
        ],
        list[Event],
    )
    assert latest_event(events, ("a", "b", "c")) is events[1]
    assert latest_event(events, ("a", "c")) is events[2]
    assert latest_event(events, ("d",)) is None


def test_a_pod_in_a_queue_of_kueue_is_told_as_such() -> None:
    gated = {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}
    manifest = {"metadata": {"labels": {QUEUE: "q"}}, "status": {"conditions": [gated]}}
    assert is_queued(read_pod(manifest))
    assert pending_reason(read_pod(manifest)) == "held back by Kueue until its queue 'q' has room"
    assert not is_queued(read_pod({"status": {"conditions": [gated]}}))
    assert not is_queued(read_pod({"metadata": {"labels": {QUEUE: "q"}}}))
