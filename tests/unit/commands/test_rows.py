"""A pod as a line of the list."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from podlift.commands.rows import Wanted, row_of

if TYPE_CHECKING:
    from tests.unit.commands.conftest import MakePod

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def test_a_running_pod_says_since_when_its_task_runs(make_pod: MakePod) -> None:
    row = row_of(make_pod("Running", {"running": {"startedAt": "2026-01-02T11:58:00Z"}}))
    assert (row.state, row.since) == ("running", NOON - timedelta(minutes=2))
    cells = row.cells(NOON)
    assert cells["pod"] == "tasks/etl-load-x-1"
    assert cells["task"] == "load[2]"
    assert cells["for"] == "2m00s"
    assert (cells["node"], cells["scheduler"], cells["reason"]) == ("node-1", "7-abc", "")


def test_a_failed_pod_says_why_and_since_when_it_has_ended(make_pod: MakePod) -> None:
    ended = {"exitCode": 137, "reason": "OOMKilled", "finishedAt": "2026-01-02T11:30:00Z"}
    row = row_of(make_pod("Failed", {"terminated": ended}))
    assert row.since == NOON - timedelta(minutes=30)
    assert "memory" in row.reason


def test_a_pending_pod_says_what_it_waits_for(make_pod: MakePod) -> None:
    waiting = {"reason": "ErrImagePull", "message": "no such image"}
    row = row_of(make_pod("Pending", {"waiting": waiting}))
    assert row.state == "pending"
    assert "no such image" in row.reason


def test_a_pod_that_is_being_deleted_is_terminating_until_it_has_ended(make_pod: MakePod) -> None:
    deleted = {"deletionTimestamp": "2026-01-02T11:59:00Z", "deletionGracePeriodSeconds": 30}
    assert row_of(make_pod("Running", metadata=deleted)).state == "terminating"
    assert row_of(make_pod("Failed", metadata=deleted)).state == "failed"


def test_an_operators_pod_is_told_apart(make_pod: MakePod) -> None:
    row = row_of(make_pod(component="operator"))
    assert row.kind == "operator"
    assert row.cells(NOON)["task"] == "load[2] (operator)"


@pytest.mark.parametrize("text", ["", "two"])
def test_an_annotation_that_somebody_changed_does_no_harm(make_pod: MakePod, text: str) -> None:
    assert row_of(make_pod(metadata={"annotations": {"map_index": text}})).map_index is None


def test_what_is_wanted_becomes_labels_as_pods_have_them(make_pod: MakePod) -> None:
    wanted = Wanted(dag_id="etl", run_id="manual__2026-01-02T12:00:00+00:00")
    assert wanted.labels["dag_id"] == "etl"
    assert ":" not in wanted.labels["run_id"]
    assert "task_id" not in wanted.labels
    row = row_of(make_pod("Failed"))
    assert wanted.takes(row)
    assert Wanted(states=frozenset({"failed"})).takes(row)
    assert not Wanted(states=frozenset({"pending"})).takes(row)
