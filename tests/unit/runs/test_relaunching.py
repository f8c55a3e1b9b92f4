"""When a run gets another pod, and what that is like."""

from __future__ import annotations

from typing import Any

import pytest

from podlift.pods.causes import Cause, Diagnosis
from podlift.pods.plain import Manifest
from podlift.pods.reading import read_pod
from podlift.runs import Outcome, RunOptions
from podlift.runs.outcome import outcome_of
from podlift.runs.relaunching import Launch

MEBIBYTE = 2**20


def first(name: str = "a-hash-1") -> Manifest:
    resources = {"requests": {"memory": "64Mi"}, "limits": {"memory": "100Mi"}}
    return {
        "metadata": {"name": name, "annotations": {"podlift.dev/launch": "1"}},
        "spec": {"containers": [{"name": "base", "image": "i", "resources": resources}]},
    }


def outcome(cause: Cause | None, **facts: Any) -> Outcome:
    found = Diagnosis.of(cause, "It went wrong.") if cause else None
    sentence = str(found) if found else ""
    given: dict[str, Any] = {"name": "a", "namespace": "n", "uid": "u", "memory": 100 * MEBIBYTE}
    return Outcome(diagnosis=found, sentence=sentence, **given | facts)


@pytest.mark.parametrize("cause", [Cause.EVICTED, Cause.NODE_LOST, Cause.PREEMPTED, Cause.DELETED])
def test_what_is_not_the_tasks_fault_is_tried_again_so_often(cause: Cause) -> None:
    launch: Launch | None = Launch(first(), RunOptions(infrastructure_retries=2))
    names = []
    while launch is not None:
        names.append(launch.manifest["metadata"]["name"])
        launch = launch.after(outcome(cause))
    assert names == ["a-hash-1", "a-hash-2", "a-hash-3"]


@pytest.mark.parametrize("cause", [None, Cause.FAILED, Cause.DEADLINE, Cause.OUT_OF_MEMORY])
def test_the_tasks_own_end_is_the_runs(cause: Cause | None) -> None:
    assert Launch(first(), RunOptions()).after(outcome(cause)) is None


def test_a_pod_whose_end_nobody_saw_is_not_replaced() -> None:
    lost = outcome(Cause.NODE_LOST, ended=False)
    assert Launch(first(), RunOptions()).after(lost) is None


def test_who_ran_out_of_memory_gets_more_up_to_the_ceiling() -> None:
    options = RunOptions(memory_factor=2, memory_ceiling=300 * MEBIBYTE)
    launch: Launch | None = Launch(first(), options)
    limits = []
    while launch is not None:
        resources = launch.manifest["spec"]["containers"][0]["resources"]
        limits.append(resources["limits"]["memory"])
        allowed = int(limits[-1].removesuffix("Mi")) * MEBIBYTE
        launch = launch.after(outcome(Cause.OUT_OF_MEMORY, memory=allowed))
    assert limits == ["100Mi", "200Mi", "300Mi"]


def test_a_name_that_is_to_be_exact_stays_as_it_is() -> None:
    following = Launch(first("exactly"), RunOptions()).after(outcome(Cause.EVICTED))
    assert following is not None
    assert following.manifest["metadata"]["name"] == "exactly"
    assert following.manifest["metadata"]["annotations"]["podlift.dev/launch"] == "2"


def test_a_container_has_ended_though_its_pods_phase_does_not_say_so_yet() -> None:
    killed = {"reason": "OOMKilled", "exitCode": 137}
    pod = read_pod(
        {
            "metadata": {"name": "a-1", "namespace": "n", "uid": "u"},
            "spec": first()["spec"],
            "status": {
                "phase": "Running",
                "containerStatuses": [{"name": "base", "state": {"terminated": killed}}],
            },
        }
    )
    found = outcome_of(pod, [], "base", gone=False)
    assert found.ended
    assert Launch(first(), RunOptions(memory_factor=2)).after(found) is not None
