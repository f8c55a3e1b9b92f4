"""Pods that outlive those who wait for them: workers and triggerers that die, and users' kills."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from tests.e2e.pods_run import Seen, play
from tests.e2e.postgres import postgres
from tests.e2e.whole_run import Scene

if TYPE_CHECKING:
    from tests.functional.conftest import Cluster

pytestmark = [pytest.mark.functional, pytest.mark.postgres]


@pytest.fixture(scope="module")
def space(cluster: Cluster) -> Iterator[str]:
    name = f"e2e-{secrets.token_hex(4)}"
    cluster.make_namespace(name)
    yield name
    cluster.remove_namespace(name)


@pytest.fixture(scope="module")
def seen(cluster: Cluster, space: str, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """One run, of which every test says something."""
    with postgres() as database:
        scene = Scene(
            folder=tmp_path_factory.mktemp("airflow"),
            database=database,
            kubeconfig=cluster.kubeconfig,
            namespace=space,
            address="127.0.0.1",
            template={},
        )
        return asyncio.run(play(scene))


def lines(seen: Seen, task: str, *tries: int) -> list[int]:
    """The numbers of the lines that the pod wrote, as the log pages of some tries show them."""
    shown = [line for number in tries for line in seen.logs[task, number]]
    return [int(line.removeprefix("line ")) for line in shown if line.startswith("line ")]


def test_a_deferred_task_outlives_its_triggerer(seen: Seen) -> None:
    assert seen.states["deferred"] == "success"
    assert seen.tries["deferred"] == 1
    assert len(seen.pods["deferred"]) == 1


def test_its_log_is_whole_and_nothing_is_in_it_twice(seen: Seen) -> None:
    assert lines(seen, "deferred", 1) == list(range(1, 151))


def test_a_user_who_ends_a_deferred_task_deletes_its_pod(seen: Seen) -> None:
    assert seen.states["deferred_then_ended"] == "failed"
    assert len(seen.pods["deferred_then_ended"]) == 1


@pytest.mark.parametrize("task", ["crashed", "drained"])
def test_the_next_try_goes_on_with_the_pod_of_a_lost_worker(seen: Seen, task: str) -> None:
    assert seen.states[task] == "success"
    assert seen.tries[task] == 2
    assert len(seen.pods[task]) == 1
    assert "which an earlier worker of the task left running" in "\n".join(seen.logs[task, 2])


def test_the_log_of_a_drained_task_goes_on_where_it_was(seen: Seen) -> None:
    assert lines(seen, "drained", 1, 2) == list(range(1, 81))


def test_after_a_crash_no_line_is_lost_and_few_come_again(seen: Seen) -> None:
    first, second = lines(seen, "crashed", 1), lines(seen, "crashed", 2)
    assert sorted({*first, *second}) == list(range(1, 81))
    # How far the log was told is noted on the pod after some seconds, then more and more rarely.
    assert len(first) + len(second) - 80 <= 20
    assert second == list(range(second[0], 81))


def test_a_user_who_ends_a_task_deletes_its_pod(seen: Seen) -> None:
    assert seen.states["ended"] == "failed"
    assert len(seen.pods["ended"]) == 1
    assert any(line.startswith("Deleted pod") for line in seen.logs["ended", 1])


def test_no_pod_is_left(seen: Seen) -> None:
    assert seen.left == []
