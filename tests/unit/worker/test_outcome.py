"""The worker's exit code tells the truth."""

from __future__ import annotations

import pytest

from podlift.worker.outcome import ExitCode, exit_code_of


@pytest.mark.parametrize(
    "state", ["success", "skipped", "deferred", "up_for_reschedule", "awaiting_input", "removed"]
)
def test_a_task_that_ended_in_order_is_done(state: str) -> None:
    assert exit_code_of(state, 0) == 0


@pytest.mark.parametrize(
    ("state", "supervisor"),
    [
        ("failed", 0),
        ("up_for_retry", 0),
        ("up_for_retry", -9),
        ("success", 1),
        (None, 0),
        (None, -15),
    ],
)
def test_anything_else_is_a_failure(state: str | None, supervisor: int) -> None:
    assert exit_code_of(state, supervisor) is ExitCode.FAILED


@pytest.mark.parametrize(
    ("state", "supervisor", "code"),
    [
        (None, -15, ExitCode.STOPPED),
        (None, 0, ExitCode.STOPPED),
        ("success", 0, ExitCode.DONE),
        ("failed", 0, ExitCode.FAILED),
    ],
)
def test_a_task_that_was_stopped_with_its_pod_has_not_failed(
    state: str | None, supervisor: int, code: ExitCode
) -> None:
    assert exit_code_of(state, supervisor, stopped=True) is code
