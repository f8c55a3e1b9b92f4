"""The worker's exit code tells the truth."""

from __future__ import annotations

from pathlib import Path

import pytest

from podlift.worker.memory import MemoryNotice
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


def test_a_task_that_ran_out_of_memory_is_told_from_one_that_failed() -> None:
    assert exit_code_of(None, -9, out_of_memory=True) is ExitCode.OUT_OF_MEMORY
    assert exit_code_of(None, -9, out_of_memory=True, stopped=True) is ExitCode.STOPPED
    assert exit_code_of("failed", 0, out_of_memory=True) is ExitCode.FAILED
    assert exit_code_of("success", 0, out_of_memory=True) is ExitCode.DONE


@pytest.mark.parametrize(
    "text",
    [
        "low 0\nhigh 0\nmax 7\noom 1\noom_kill {}\noom_group_kill 0\n",  # cgroup v2
        "oom_kill_disable 0\nunder_oom 0\noom_kill {}\n",  # cgroup v1
    ],
)
def test_a_kill_for_want_of_memory_is_noticed(tmp_path: Path, text: str) -> None:
    counter = tmp_path / "counter"
    counter.write_text(text.format(2))
    counters = (tmp_path / "missing", counter)
    notice, unwanted = MemoryNotice(True, counters), MemoryNotice(False, counters)
    given = [notice.given]
    counter.write_text(text.format(3))
    given += [notice.given, unwanted.given]
    assert given == [False, True, False]


def test_where_nothing_counts_kills_none_is_noticed(tmp_path: Path) -> None:
    assert not MemoryNotice(True, (tmp_path / "missing",)).given
