"""A later try goes on with the pod of one whose worker died or was drained."""

from __future__ import annotations

import dataclasses
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import GetTaskStates, TaskStatesResult

from podlift.operators.errors import PodFailed, PodStopped

from .conftest import Api, Task

pytestmark = pytest.mark.functional

MakeTask = Callable[..., Task]

ENDLESS = "trap 'exit 0' TERM; echo ready; while true; do sleep 0.1; done"
LINES = "for i in $(seq 1 60); do echo line $i; sleep 0.03; done; exit $CODE"


@pytest.fixture
def airflow() -> Iterator[Airflow]:
    """What Airflow's supervisor would answer."""
    before = getattr(task_runner, "SUPERVISOR_COMMS", None)
    answering = Airflow()
    task_runner.SUPERVISOR_COMMS = answering  # type: ignore[assignment]
    yield answering
    if before is None:
        del task_runner.SUPERVISOR_COMMS
    else:
        task_runner.SUPERVISOR_COMMS = before


class Airflow:
    """Answers for the state of any task."""

    state: str | None = "running"

    def send(self, msg: GetTaskStates) -> TaskStatesResult:
        assert msg.run_ids
        assert msg.task_ids
        run, task = msg.run_ids[0], msg.task_ids[0]
        return TaskStatesResult(task_states={run: {task: self.state}})


def started_then_told_to_stop(task: Task, line: str = "ready") -> None:
    """Run a task until its pod writes a line, then have its worker told to stop."""
    running = task.start()
    task.log.wait_for(line)
    task.operator.on_kill()
    with pytest.raises(PodStopped):
        running.result(timeout=60)


def with_retries(task: Task, tries: int = 1) -> Task:
    task.instance = dataclasses.replace(task.instance, max_tries=tries)
    return task


def next_try(task: Task) -> Task:
    """The same task, as it is run the next time."""
    number = task.instance.try_number + 1
    task.instance = dataclasses.replace(task.instance, id=uuid.uuid4(), try_number=number)
    return task


def uids(task: Task) -> list[str]:
    return [pod["metadata"]["uid"] for pod in task.pods()]


def test_a_drained_worker_leaves_its_pod_to_the_next_try(task: MakeTask, airflow: Airflow) -> None:
    drained = with_retries(task(LINES, env_vars={"CODE": "0"}))
    started_then_told_to_stop(drained, "line 10")
    assert len(drained.pods()) == 1
    next_try(drained).run()
    told = [line for line in drained.log.lines if line.startswith("line ")]
    assert told == [f"line {number}" for number in range(1, 61)]
    assert "which an earlier worker of the task left running" in drained.log.text
    assert drained.pods() == []


def test_its_end_is_the_end_of_the_next_try(task: MakeTask, airflow: Airflow) -> None:
    drained = with_retries(task(LINES, env_vars={"CODE": "7"}))
    started_then_told_to_stop(drained, "line 3")
    with pytest.raises(PodFailed, match="exit code 7"):
        next_try(drained).run()
    assert drained.pods() == []


@pytest.mark.parametrize("state", ["failed", "success", "restarting", None])
def test_a_task_that_a_user_ended_leaves_no_pod(
    task: MakeTask, airflow: Airflow, state: str | None
) -> None:
    airflow.state = state
    ended = with_retries(task(ENDLESS))
    started_then_told_to_stop(ended)
    assert ended.pods() == []


def test_a_drain_leaves_no_pod_that_nobody_would_find(task: MakeTask, airflow: Airflow) -> None:
    last = with_retries(task(ENDLESS), tries=0)
    started_then_told_to_stop(last)
    assert last.pods() == []


def test_a_pod_is_not_gone_on_with_where_that_is_not_wanted(
    task: MakeTask, airflow: Airflow, cluster: Api
) -> None:
    first = with_retries(task(ENDLESS, on_kill_action="keep_pod"))
    started_then_told_to_stop(first)
    (before,) = uids(first)
    fresh = task("echo fresh", durable=False, on_finish_action="keep_pod")
    fresh.instance = next_try(first).instance
    fresh.run()
    assert "fresh" in fresh.log.lines
    (after,) = uids(fresh)
    assert after != before, "never two pods at once, and not the old one"


def test_a_pod_that_was_judged_is_not_found_again(task: MakeTask) -> None:
    kept = task("echo once more", on_finish_action="keep_pod")
    kept.run()
    next_try(kept).run()
    assert len(kept.pods()) == 2
    assert kept.log.lines.count("once more") == 2


def test_a_failure_of_an_earlier_try_is_not_that_of_the_next(
    task: MakeTask, airflow: Airflow, cluster: Api
) -> None:
    failing = with_retries(task("sleep 0.3; echo ready; [ -e /no/such ] || exit 1"))
    started_then_told_to_stop(failing)
    (pod,) = failing.pods()
    while _phase(cluster, pod) != "Failed":
        time.sleep(0.05)
    again = task("echo better")
    again.instance = next_try(failing).instance
    again.run()
    assert "better" in again.log.lines


def test_how_far_the_log_was_told_is_noted_while_the_pod_runs(task: MakeTask, cluster: Api) -> None:
    # A worker that is killed without warning notes nothing any more.
    script = "echo one; echo two; sleep 2; echo three; sleep 60"
    killed = with_retries(task(script))
    running = killed.start()
    killed.log.wait_for("two")
    (pod,) = killed.pods()
    end = time.monotonic() + 30
    while "podlift.dev/told" not in _current(cluster, pod)["metadata"]["annotations"]:
        assert time.monotonic() < end
        time.sleep(0.1)
    assert not running.done()


def _current(cluster: Api, pod: Any) -> Any:
    metadata = pod["metadata"]
    path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
    return cluster.request("GET", path)[1]


def _phase(cluster: Api, pod: Any) -> str:
    phase: str = _current(cluster, pod)["status"]["phase"]
    return phase
