"""What a pod's status is called, at every step of what a real cluster reported, and beyond."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from podlift.pods import causes_page
from podlift.pods.diagnosis import POLICIES, Cause, Diagnosis, Stage, diagnose, has_succeeded
from podlift.pods.reading import Event, Pod, read_pod

from .conftest import Recording

Recorded = Callable[[str], Recording]

STEPS = {
    "bad-command": ["Pending", "Pending cannot_start", "Failed cannot_start"],
    "deadline-exceeded": ["Pending", "Running", "Failed deadline"],
    "deleted-while-running": ["Pending", "Running", "Running deleted", "Failed deleted"],
    "ephemeral-storage-evicted": ["Pending", "Running", "Failed out_of_storage"],
    "evicted-by-api": ["Pending", "Running", "Running evicted", "Failed evicted"],
    "fails-exit-3": ["Pending", "Running", "Running failed", "Failed failed"],
    "fallback-to-logs": ["Pending", "Running", "Running failed", "Failed failed"],
    "force-deleted": ["Pending", "Running", "Running deleted"],
    "image-never-pull": ["Pending", "Pending image_pull", "Pending deleted", "Failed deleted"],
    "image-not-found": ["Pending", "Pending image_pull", "Pending deleted", "Failed deleted"],
    "image-pull-later-works": [
        "Pending",
        "Pending image_pull",
        "Running",
        "Running ok",
        "Succeeded ok",
    ],
    "init-fails": ["Pending", "Pending init_failed", "Failed init_failed"],
    "init-then-main": ["Pending", "Running", "Running ok", "Succeeded ok"],
    "insufficient-cpu": ["Pending", "Pending unschedulable", "Pending deleted"],
    "invalid-image-name": [
        "Pending",
        "Pending invalid_image_name",
        "Pending deleted",
        "Failed deleted",
    ],
    # Kubernetes reads "$$" in a command as "$": the shell's kill failed, and nobody was killed.
    "killed-by-signal": ["Pending", "Running", "Running failed", "Failed failed"],
    "missing-configmap-volume": ["Pending", "Pending deleted", "Failed deleted"],
    "missing-pvc": ["Pending", "Pending volume", "Pending deleted"],
    "missing-secret-env": ["Pending", "Pending configuration", "Pending deleted", "Failed deleted"],
    "native-sidecar": ["Pending", "Running", "Running ok", "Succeeded ok"],
    "node-lost-then-deleted": ["Pending", "Running", "Failed node_lost"],
    "oom-killed": ["Pending", "Running", "Running out_of_memory", "Failed out_of_memory"],
    "plain-sidecar-keeps-running": ["Pending", "Running", "Running ok", "Failed ok"],
    "preempted": ["Pending", "Running", "Running preempted", "Failed preempted"],
    "preemptor": [
        "Pending",
        "Pending unschedulable",
        "Pending",
        "Running",
        "Running ok",
        "Succeeded ok",
    ],
    "rejected-node-affinity": ["Pending", "Failed rejected"],
    "rejected-out-of-cpu": ["Pending", "Failed rejected"],
    "restart-on-failure": ["Pending", "Running", "Running crash_loop", "Running", "Failed failed"],
    "scheduling-gated": ["Pending", "Pending deleted"],
    "succeeds": ["Pending", "Running", "Running ok", "Succeeded ok"],
    "termination-message": ["Pending", "Running", "Running failed", "Failed failed"],
    "unschedulable": ["Pending", "Pending unschedulable", "Pending deleted"],
}
"""Phase and cause at every step of the watch, repetitions left out; "ok" for a success seen."""


def test_every_recording_is_in_the_table(recorded_cases: frozenset[str]) -> None:
    assert recorded_cases == STEPS.keys()


@pytest.mark.parametrize("case", STEPS)
def test_every_step_of_a_recording_has_its_name(case: str, recording: Recorded) -> None:
    told: list[str] = []
    for step in recording(case).steps:
        words = _words(step.pod, gone=step.kind == "DELETED")
        if told[-1:] != [words]:
            told.append(words)
    assert told == STEPS[case]


def _words(pod: Pod, gone: bool) -> str:
    found = diagnose(pod, gone=gone)
    outcome = found.cause.value if found else "ok" if has_succeeded(pod) else ""
    return f"{pod.status.phase} {outcome}".strip()


SENTENCES = {
    "deadline-exceeded": (
        "The pod ran longer than its deadline of 3 seconds: "
        "Pod was active on the node longer than the specified deadline."
    ),
    "deleted-while-running": "Someone deleted the pod while it was running.",
    "ephemeral-storage-evicted": (
        "The pod used more local storage than it may and was evicted: "
        "Pod ephemeral local storage usage exceeds the total limit of containers 10Mi."
    ),
    "evicted-by-api": "The pod was evicted from its node (node1): Eviction API: evicting.",
    "fails-exit-3": "Container 'base' ended with exit code 3.",
    "fallback-to-logs": "Container 'base' ended with exit code 1. Its last words: line1 line2",
    "init-fails": "Init container 'setup' ended with exit code 7.",
    "missing-configmap-volume": (
        "Someone deleted the pod before it had started; the last warning was: "
        'MountVolume.SetUp failed for volume "v" : configmap "nope" not found.'
    ),
    "node-lost-then-deleted": "The pod's node was lost (node1): PodGC: node no longer exists.",
    "oom-killed": "Container 'base' used more memory than its limit of 50Mi and was killed.",
    "preempted": (
        "The pod was preempted by one of higher priority: "
        "default-scheduler: preempting to accommodate a higher priority pod."
    ),
    "rejected-out-of-cpu": (
        "The node refused the pod (node1): Pod was rejected: "
        "Node didn't have enough resource: cpu, requested: 500000, used: 0, capacity: 2000."
    ),
    "termination-message": "Container 'base' ended with exit code 1. Its last words: the reason",
}


@pytest.mark.parametrize("case", SENTENCES)
def test_the_end_is_told_in_a_sentence_with_the_facts(case: str, recording: Recorded) -> None:
    recorded = recording(case)
    found = diagnose(recorded.last, recorded.events)
    assert found is not None
    assert found.sentence == SENTENCES[case]


@pytest.mark.parametrize(
    ("case", "code"),
    [
        ("fails-exit-3", 3),
        ("oom-killed", 137),
        ("deleted-while-running", 143),
        ("bad-command", 128),
    ],
)
def test_the_exit_code_is_part_of_the_diagnosis(case: str, code: int, recording: Recorded) -> None:
    found = diagnose(recording(case).last)
    assert found is not None
    assert (found.container, found.exit_code) == ("base", code)


def test_a_container_that_the_kubelet_lost_has_no_exit_code(recording: Recorded) -> None:
    found = diagnose(recording("image-not-found").last)
    assert found is not None
    assert found.exit_code is None


PENDING = {
    "image-not-found": "Container 'base' waits for an image that cannot be pulled: failed to pull",
    "image-never-pull": "Container 'base' waits for an image that is not on the node: Container",
    "invalid-image-name": "Container 'base' has an image name that is not valid: Failed to apply",
    "missing-secret-env": "Container 'base' cannot be configured: secret \"nope\" not found.",
    "missing-pvc": "No node takes the pod: 0/1 nodes are available: persistentvolumeclaim",
    "unschedulable": "No node takes the pod: 0/1 nodes are available: 1 node(s) didn't match",
    "insufficient-cpu": "No node takes the pod: 0/1 nodes are available: 1 Insufficient cpu.",
}


@pytest.mark.parametrize("case", PENDING)
def test_a_pod_that_pends_says_what_holds_it_up(case: str, recording: Recorded) -> None:
    recorded = recording(case)
    told = [diagnose(step.pod, recorded.events) for step in recorded.steps]
    first = next(each for each in told if each is not None)
    assert first.sentence.startswith(PENDING[case])
    assert first.can_heal == (case != "invalid-image-name")


def test_a_volume_that_is_not_ready_is_known_by_the_events_alone(recording: Recorded) -> None:
    recorded = recording("missing-configmap-volume")
    pending = recorded.steps[2].pod
    assert diagnose(pending) is None
    found = diagnose(pending, recorded.events)
    assert found is not None
    assert found.cause is Cause.VOLUME
    assert found.sentence.endswith(
        'MountVolume.SetUp failed for volume "v" : configmap "nope" not found.'
    )


def test_a_failed_mount_that_is_over_is_not_held_against_a_slow_pull(recording: Recorded) -> None:
    recorded = recording("missing-configmap-volume")
    later = read_event("Pulling", "Pulling image", "2030-01-01T00:00:00Z")
    assert diagnose(recorded.steps[2].pod, (*recorded.events, later)) is None


def test_a_sandbox_that_cannot_be_made_is_the_clusters_fault() -> None:
    pod = running_pod({"waiting": {"reason": "ContainerCreating"}}, phase="Pending")
    failed = read_event("FailedCreatePodSandBox", "no free addresses", "2026-01-01T00:00:00Z")
    found = diagnose(pod, [failed])
    assert found is not None
    assert (found.cause, found.infrastructure, found.can_heal) == (Cause.SANDBOX, True, True)


# --- Beyond the recordings ------------------------------------------------------------------------


def read_event(reason: str, message: str, at: str, kind: str = "Warning") -> Event:

    fields = {"reason": reason, "message": message, "type": kind, "lastTimestamp": at}
    return msgspec.convert(fields, Event)


def running_pod(state: dict[str, Any], phase: str = "Running", **fields: Any) -> Pod:
    return read_pod(
        {
            "metadata": {"name": "p", **fields.get("metadata", {})},
            "spec": {
                "nodeName": "n1",
                "restartPolicy": "Never",
                "containers": [{"name": "base"}],
                **fields.get("spec", {}),
            },
            "status": {
                "phase": phase,
                "containerStatuses": [{"name": "base", "state": state}],
                **fields.get("status", {}),
            },
        }
    )


def ended(code: int, at: str = "2026-01-01T00:00:10Z", **fields: Any) -> dict[str, Any]:
    start = "2026-01-01T00:00:00Z"
    return {"terminated": {"exitCode": code, "startedAt": start, "finishedAt": at, **fields}}


def cause_of(pod: Pod, **options: Any) -> Cause | None:
    found = diagnose(pod, **options)
    return found.cause if found else None


@pytest.mark.parametrize(
    ("code", "signal", "words"),
    [
        (137, None, "was killed by SIGKILL (exit code 137)"),
        (143, None, "was killed by SIGTERM (exit code 143)"),
        (139, None, "was killed by SIGSEGV (exit code 139)"),
        (1, 9, "was killed by SIGKILL (exit code 1)"),
        (168, None, "was killed by signal 40 (exit code 168)"),
    ],
)
def test_a_signal_is_named(code: int, signal: int | None, words: str) -> None:
    found = diagnose(running_pod(ended(code, signal=signal), "Failed"))
    assert found is not None
    assert found.cause is Cause.KILLED_BY_SIGNAL
    assert words in found.sentence


@pytest.mark.parametrize("code", [1, 2, 127, 128, 200, 255])
def test_other_exit_codes_are_the_programs_own(code: int) -> None:
    assert cause_of(running_pod(ended(code), "Failed")) is Cause.FAILED


def test_a_shells_exit_codes_are_explained() -> None:
    found = diagnose(running_pod(ended(127), "Failed"))
    assert found is not None
    assert "the command was not found" in found.sentence


def test_out_of_memory_without_a_limit_blames_the_node() -> None:
    found = diagnose(running_pod(ended(137, reason="OOMKilled"), "Failed"))
    assert found is not None
    assert found.sentence.startswith(
        "Container 'base' was killed because its node ran out of memory"
    )


DELETED = {"deletionTimestamp": "2026-01-01T00:00:40Z", "deletionGracePeriodSeconds": 30}


def test_exit_code_0_of_a_program_that_was_told_to_stop_is_no_success() -> None:
    stopped = running_pod(ended(0, at="2026-01-01T00:00:10Z"), "Succeeded", metadata=DELETED)
    assert not has_succeeded(stopped)
    assert cause_of(stopped) is Cause.DELETED


def test_exit_code_0_from_before_the_deletion_is_a_success() -> None:
    done = running_pod(ended(0, at="2026-01-01T00:00:09Z"), "Succeeded", metadata=DELETED)
    assert has_succeeded(done)
    assert cause_of(done, gone=True) is None


def test_a_failure_from_before_the_eviction_keeps_its_cause() -> None:
    disruption = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "EvictionByEvictionAPI",
        "lastTransitionTime": "2026-01-01T00:00:20Z",
    }
    pod = running_pod(ended(3), "Running", status={"conditions": [disruption]})
    assert cause_of(pod) is Cause.FAILED


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ("Evicted", Cause.EVICTED),
        ("Preempting", Cause.PREEMPTED),
        ("Terminated", Cause.NODE_SHUTDOWN),
        ("NodeShutdown", Cause.NODE_SHUTDOWN),
        ("DeadlineExceeded", Cause.DEADLINE),
        ("NodeLost", Cause.NODE_LOST),
    ],
)
def test_exit_code_0_under_the_nodes_hand_is_no_success(reason: str, cause: Cause) -> None:
    pod = running_pod(ended(0), "Failed", status={"reason": reason})
    assert (has_succeeded(pod), cause_of(pod)) == (False, cause)


def test_a_main_container_that_was_done_before_the_pod_was_evicted_succeeded() -> None:
    statuses = [
        {"name": "base", "state": ended(0, at="2026-01-01T00:00:10Z")},
        {"name": "sidecar", "state": ended(137, at="2026-01-01T00:05:00Z")},
    ]
    status = {"reason": "Evicted", "containerStatuses": statuses}
    assert has_succeeded(running_pod({}, "Failed", status=status))


@pytest.mark.parametrize("reason", ["OutOfmemory", "OutOfpods", "UnexpectedAdmissionError"])
def test_every_refusal_by_the_node_is_the_clusters_fault(reason: str) -> None:
    status = {"reason": reason, "message": "no", "containerStatuses": []}
    found = diagnose(running_pod({}, "Failed", status=status))
    assert found is not None
    assert (found.cause, found.infrastructure) == (Cause.REJECTED, True)


def test_a_sidecar_that_is_killed_at_the_end_does_not_matter() -> None:
    statuses = [{"name": "sidecar", "state": ended(137)}]
    pod = running_pod(
        ended(0),
        "Succeeded",
        spec={"initContainers": [{"name": "sidecar", "restartPolicy": "Always"}]},
        status={"initContainerStatuses": statuses},
    )
    assert diagnose(pod) is None


def test_an_init_container_can_run_out_of_memory_too() -> None:
    statuses = [{"name": "setup", "state": ended(137, reason="OOMKilled")}]
    pod = running_pod({}, "Failed", status={"initContainerStatuses": statuses})
    found = diagnose(pod)
    assert found is not None
    assert (found.cause, found.container) == (Cause.OUT_OF_MEMORY, "setup")


def test_a_pod_that_vanished_is_told_from_one_that_ended() -> None:
    running = running_pod({"running": {}})
    assert diagnose(running) is None
    assert cause_of(running, gone=True) is Cause.VANISHED
    assert cause_of(running_pod(ended(0)), gone=True) is None
    assert cause_of(running_pod(ended(3)), gone=True) is Cause.FAILED


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_no_exit_code_is_no_success(phase: str) -> None:
    pod = running_pod({}, phase, status={"containerStatuses": []})
    assert not has_succeeded(pod)
    assert cause_of(pod) is Cause.UNREPORTED


def test_a_container_whose_status_is_unknown_was_lost_by_its_node() -> None:
    pod = running_pod(ended(137, reason="ContainerStatusUnknown"), "Failed")
    found = diagnose(pod)
    assert found is not None
    assert (found.cause, found.exit_code, found.infrastructure) == (Cause.UNREPORTED, None, True)


def test_the_main_container_may_have_another_name() -> None:
    pod = running_pod(
        {}, "Failed", status={"containerStatuses": [{"name": "x", "state": ended(4)}]}
    )
    assert cause_of(pod, main="x") is Cause.FAILED
    assert cause_of(pod) is Cause.UNREPORTED


def test_every_cause_has_a_policy_with_a_remedy() -> None:
    assert POLICIES.keys() == set(Cause)
    assert all(policy.remedy.endswith(".") for policy in POLICIES.values())


def test_only_what_strikes_before_the_start_can_heal() -> None:
    healing = [policy for policy in POLICIES.values() if policy.heals]
    assert all(policy.stage is Stage.BEFORE_START for policy in healing)


def test_the_page_of_causes_in_the_documentation_is_the_one_made_from_the_table() -> None:
    page = (Path(__file__).parents[3] / "docs" / "causes.md").read_text()
    assert page == causes_page.page()
    assert [cause for cause in Cause if f"| `{cause}` |" not in page] == []


def test_a_diagnosis_reads_as_what_happened_and_what_to_do() -> None:
    assert str(Diagnosis.of(Cause.NODE_LOST, "The node went.")) == (
        "The node went. Try again; look at why the node went away."
    )
