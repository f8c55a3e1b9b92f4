"""Which pods may be removed on request."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from podlift.commands.leavings import Case, Known, judge
from podlift.executor.metadata import TaskState

if TYPE_CHECKING:
    from tests.unit.commands.conftest import MakePod

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
TI_ID = "01890000-0000-7000-8000-000000000001"
KEY = ("etl", "load", "r1", 2)
ENDED = {"terminated": {"exitCode": 1, "finishedAt": "2026-01-02T11:00:00Z"}}


def known(state: str | None, try_number: int = 1) -> Known:
    task = TaskState(state, try_number, 7)
    return Known(frozenset({TI_ID}), {TI_ID: task}, {KEY: task})


@pytest.mark.parametrize("ours", [True, False])
@pytest.mark.parametrize(
    ("state", "try_number", "case"),
    [
        ("failed", 1, Case.REMOVE),
        ("success", 1, Case.REMOVE),
        ("running", 1, Case.NEEDED),
        ("queued", 1, Case.NEEDED),
        ("running", 2, Case.REMOVE),  # of a former try
        (None, 1, Case.REMOVE),  # it was cleared
    ],
)
def test_an_ended_pod_goes_when_its_try_is_over(
    make_pod: MakePod, ours: bool, state: str | None, try_number: int, case: Case
) -> None:
    pod = make_pod("Failed", ENDED, ours=ours)
    assert judge(pod, known(state, try_number), 600, NOON) is case


@pytest.mark.parametrize(
    ("phase", "state", "options", "case"),
    [
        ("Running", None, {}, Case.RUNS),
        ("Pending", None, {}, Case.RUNS),
        ("Failed", ENDED, {"metadata": {"deletionTimestamp": "2026-01-02T11:00:01Z"}}, Case.RUNS),
        ("Failed", ENDED, {"metadata": {"annotations": {}}}, Case.UNKNOWN),
    ],
)
def test_others_stay(
    make_pod: MakePod, phase: str, state: Any, options: dict[str, Any], case: Case
) -> None:
    assert judge(make_pod(phase, state, **options), known("failed"), 0, NOON) is case


def test_a_pod_of_a_task_that_this_airflow_does_not_know_stays(make_pod: MakePod) -> None:
    nothing = Known(frozenset(), {}, {})
    for ours in (True, False):
        assert judge(make_pod("Failed", ENDED, ours=ours), nothing, 0, NOON) is Case.UNKNOWN


def test_the_time_counts_from_the_pods_end(make_pod: MakePod) -> None:
    pod = make_pod("Failed", ENDED)
    assert judge(pod, known("failed"), 3600, NOON) is Case.REMOVE
    assert judge(pod, known("failed"), 3601, NOON) is Case.YOUNG


@pytest.mark.parametrize(
    ("state", "case"),
    [
        ("failed", Case.REMOVE),
        ("success", Case.REMOVE),
        ("deferred", Case.OPERATOR),
        ("running", Case.OPERATOR),
        ("up_for_retry", Case.OPERATOR),  # the next try goes on with it
        (None, Case.OPERATOR),  # so does that of a task that was cleared
    ],
)
@pytest.mark.parametrize("phase", ["Running", "Succeeded"])
def test_an_operators_pod_goes_when_its_task_is_over(
    make_pod: MakePod, phase: str, state: str | None, case: Case
) -> None:
    pod = make_pod(phase, component="operator")
    assert judge(pod, known(state), 600, NOON) is case


def test_an_operators_pod_of_a_task_that_this_airflow_does_not_know_stays(
    make_pod: MakePod,
) -> None:
    pod = make_pod("Running", component="operator")
    assert judge(pod, Known(frozenset(), {}, {}), 0, NOON) is Case.UNKNOWN
