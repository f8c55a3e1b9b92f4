"""What is to become of pods that no execution holds."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podlift.executor.leftovers import (
    Kind,
    Retention,
    ended_at,
    is_needed,
    kind_of,
    retention_of,
    whose,
)
from podlift.executor.metadata import TaskState
from podlift.pods.labels import Identity, annotations_of, labels_of
from podlift.pods.reading import Pod, read_pod
from podlift.settings import Settings

END = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
TI = str(uuid.UUID(int=1))


def pod(
    owner: str = "7-abc", *, code: int | None = 0, deleted: bool = False, **identity: Any
) -> Pod:
    who = Identity(dag_id="d", task_id="t", run_id="r", ti_id=TI, executor=owner, **identity)
    state: dict[str, Any] = {"running": {}}
    if code is not None:
        times = {"startedAt": "2026-01-01T11:00:00Z", "finishedAt": "2026-01-01T12:00:00Z"}
        state = {"terminated": {"exitCode": code, **times}}
    phase = {None: "Running", 0: "Succeeded"}.get(code, "Failed")
    metadata = {
        "uid": "u",
        "labels": labels_of(who),
        "annotations": annotations_of(who) | {"podlift.dev/execution": "e"},
    }
    if deleted:
        metadata["deletionTimestamp"] = "2026-01-01T12:00:00Z"
    status = {"phase": phase, "containerStatuses": [{"name": "base", "state": state}]}
    return read_pod({"metadata": metadata, "status": status})


def test_an_ended_pod_of_ours_may_be_due() -> None:
    assert kind_of(pod("8-me"), "8-me") is Kind.OURS


@pytest.mark.parametrize("owner", ["7-abc", "8-another-life"])
def test_another_ones_pod_is_not_judged_by_itself(owner: str) -> None:
    assert kind_of(pod(owner), "8-me") is Kind.UNCLEAR


def test_a_pod_of_ours_that_runs_without_our_knowing_is_unclear() -> None:
    assert kind_of(pod("8-me", code=None), "8-me") is Kind.UNCLEAR


def test_a_pod_that_is_being_deleted_is_nobodys_concern() -> None:
    assert kind_of(pod(deleted=True), "8-me") is Kind.NONE


def test_an_operators_pod_is_nobodys_concern() -> None:
    who = Identity(dag_id="d", task_id="t", run_id="r", ti_id=TI)
    labels, annotations = labels_of(who, component="operator"), annotations_of(who)
    own = read_pod({"metadata": {"uid": "u", "labels": labels, "annotations": annotations}})
    assert kind_of(own, "8-me") is Kind.NONE


@pytest.mark.parametrize(
    "missing", ["podlift.dev/ti-id", "podlift.dev/execution", "dag_id", "try_number"]
)
def test_a_pod_that_does_not_say_what_for_is_strange(missing: str) -> None:
    whole = pod()
    annotations = {k: v for k, v in whole.metadata.annotations.items() if k != missing}
    metadata = {"uid": "u", "labels": whole.metadata.labels, "annotations": annotations}
    assert kind_of(read_pod({"metadata": metadata}), "8-me") is Kind.STRANGE


def test_an_id_that_is_none_and_an_owner_without_a_job_are_strange() -> None:
    assert kind_of(pod("none-abc"), "8-me") is Kind.STRANGE
    odd = pod()
    annotations = odd.metadata.annotations | {"podlift.dev/ti-id": "not a uuid"}
    metadata = {"labels": odd.metadata.labels, "annotations": annotations}
    assert kind_of(read_pod({"metadata": metadata}), "8-me") is Kind.STRANGE


@pytest.mark.parametrize("state", ["queued", "running", "restarting"])
def test_what_airflow_gives_to_another_scheduler_is_needed(state: str) -> None:
    seen = pod()
    identity = whose(seen)
    assert identity is not None
    assert is_needed(seen, identity, TaskState(state, 1, 7))
    assert not is_needed(seen, identity, TaskState(state, 2, 7))


@pytest.mark.parametrize("state", ["success", "failed", "deferred", "scheduled", None])
def test_what_is_over_or_will_have_another_pod_is_not(state: str | None) -> None:
    seen = pod()
    identity = whose(seen)
    assert identity is not None
    assert not is_needed(seen, identity, TaskState(state, 1, 7))
    assert not is_needed(seen, identity, None)


def test_a_callbacks_pod_is_needed_until_it_ends() -> None:
    for code, needed in ((None, True), (0, False), (1, False)):
        seen = pod(code=code, workload="callback")
        identity = whose(seen)
        assert identity is not None
        assert is_needed(seen, identity, None) is needed


def test_the_time_that_a_failed_pod_stays_counts_from_its_end() -> None:
    kept = Retention(failed=3600.0)
    assert kept.until(pod(code=3)) == END + timedelta(hours=1)
    assert kept.until(pod(code=0)) == END


@pytest.mark.parametrize(
    ("settings", "succeeded", "failed"),
    [
        (Settings(), 0, 0),
        (Settings(delete_worker_pods=False), None, None),
        (Settings(delete_worker_pods_on_failure=False), 0, None),
        (Settings(failed_pod_retention=60), 0, 60),
        (Settings(failed_pod_retention=60, delete_worker_pods_on_failure=False), 0, 60),
        (Settings(failed_pod_retention=60, delete_worker_pods=False), None, 60),
    ],
)
def test_a_time_that_was_set_goes_before_keeping_for_ever(
    settings: Settings, succeeded: float | None, failed: float | None
) -> None:
    assert retention_of(settings) == Retention(succeeded, failed)


def test_a_pod_without_an_ended_container_ended_when_it_last_changed() -> None:
    evicted = {
        "metadata": {"creationTimestamp": "2026-01-01T10:00:00Z"},
        "status": {
            "phase": "Failed",
            "reason": "Evicted",
            "conditions": [
                {"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T12:00:00Z"},
                {"type": "X", "status": "True", "lastTransitionTime": "2026-01-01T11:00:00Z"},
            ],
        },
    }
    assert ended_at(read_pod(evicted)) == END
    refused = {"metadata": {"creationTimestamp": "2026-01-01T12:00:00Z"}}
    assert ended_at(read_pod(refused)) == END


annotation = st.dictionaries(
    st.sampled_from(["dag_id", "try_number", "podlift.dev/ti-id", "podlift.dev/executor"]),
    st.text(max_size=5),
)


@given(annotation)
def test_no_annotation_that_a_person_writes_is_an_error(changes: dict[str, str]) -> None:
    whole = pod()
    metadata = {
        "labels": whole.metadata.labels,
        "annotations": whole.metadata.annotations | changes,
    }
    assert kind_of(read_pod({"metadata": metadata}), "8-me") in Kind
