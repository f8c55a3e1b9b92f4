"""The lines that stand for a table where there is no terminal, and the summary."""

from __future__ import annotations

import io
import time
from pathlib import Path

import pytest
from rich.console import Console

from podlift.cli.airflow_api import TaskInstance
from podlift.cli.board import Board
from podlift.cli.home import Home
from podlift.cli.invoking import short
from podlift.cli.rows import Row
from podlift.cli.summary import print_summary
from podlift.cli.views import LiveView, PlainView, make_view, table_of
from podlift.pods.labels import Identity, annotations_of, labels_of
from podlift.pods.reading import Pod, read_pod


def pod(phase: str, exit_code: int | None = None, task_id: str = "box") -> Pod:
    who = Identity(dag_id="d", task_id=task_id, run_id="r", ti_id="i")
    ended = {"terminated": {"exitCode": exit_code, "reason": "Error"}}
    return read_pod(
        {
            "metadata": {
                "name": "box-1",
                "uid": "u",
                "labels": labels_of(who),
                "annotations": annotations_of(who),
            },
            "status": {
                "phase": phase,
                "containerStatuses": []
                if exit_code is None
                else [{"name": "base", "state": ended}],
            },
        }
    )


def text_of(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def plain() -> Console:
    return Console(file=io.StringIO(), width=120)


def test_a_terminal_gets_a_table_and_a_pipe_gets_lines() -> None:
    assert isinstance(make_view(plain(), 0.0), PlainView)
    assert isinstance(make_view(Console(file=io.StringIO(), force_terminal=True), 0.0), LiveView)


def test_each_phase_of_a_pod_is_a_line_with_the_seconds_of_the_one_before() -> None:
    console, board = plain(), Board("d", "r")
    view = make_view(console, time.monotonic())
    for phase, code, now in (("Pending", None, 1.0), ("Running", None, 1.5), ("Failed", 3, 4.0)):
        record = board.see_pod(pod(phase, code), now)
        assert record is not None
        view.pod(record, now)
    lines = [" ".join(line.split()[2:]) for line in text_of(console).splitlines()]
    assert lines == [
        "box pod box-1 Pending",
        "box pod box-1 Running after 0.5 s pending",
        "box pod box-1 Failed after 2.5 s running, exit code 3",
    ]


def test_only_the_end_of_a_task_is_a_line() -> None:
    console = plain()
    view = make_view(console, time.monotonic())
    for state in ("queued", "running", "success"):
        view.task(TaskInstance(task_id="m", map_index=4, state=state, try_number=1))
    assert text_of(console).split()[2:] == ["m[4]", "success"]


def test_the_table_shows_the_exit_code_of_what_failed() -> None:
    console = plain()
    row = Row("box", "failed", "box-1", "Failed", pending=0.5, running=2.5, exit_code=3)
    console.print(table_of([row], "a title"))
    assert "Failed (3)" in text_of(console)
    assert "0.5 s" in text_of(console)


def told(board: Board, wrong: list[str]) -> str:
    console = plain()
    print_summary(console, board, wrong, 42.0, Home(Path("/some/" + "long/" * 30 + "home")))
    return text_of(console)


def test_the_summary_says_why_a_task_failed_and_where_to_go_on() -> None:
    board = Board("d", "r")
    board.see_tasks([TaskInstance(task_id="exit_3", map_index=-1, state="failed", try_number=1)])
    board.see_pod(pod("Failed", 3, task_id="exit_3"), 1.0)
    out = told(board, [])
    assert "exit_3 failed: Container 'base' ended with exit code 3." in out
    assert "Everything ended as it should: 1 task instances in 1 pods, 42 seconds in all." in out
    assert f" up --home /some/{'long/' * 30}home\n" in out


def test_the_summary_names_everything_that_went_wrong() -> None:
    out = told(Board("d", "r"), ["one thing.", "another thing."])
    assert "Not everything ended as it should:" in out
    assert "one thing.\nanother thing." in out


def test_a_path_in_the_users_folder_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    assert short(Path("/home/someone/.local/x")) == "~/.local/x"
    assert short(Path("/elsewhere")) == "/elsewhere"


def test_a_table_without_pods_does_not_break_its_title() -> None:
    console = Console(file=io.StringIO(), width=80)
    title = "16 task instances, each in a pod of its own"
    console.print(table_of([], title))
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().splitlines()[0].rstrip() == title
