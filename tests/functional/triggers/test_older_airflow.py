"""Airflow 3.2 does not tell a trigger that a user ended its task: it has to find out by itself."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import GetTaskStates, TaskStatesResult
from airflow.triggers.base import BaseTrigger

from podlift.triggers.pod import KubernetesPodTrigger

from .conftest import MakeTask, Triggerer, deferred

pytestmark = pytest.mark.functional


class Airflow:
    """Answers for the state of any task."""

    state: str | None = "deferred"

    def send(self, msg: GetTaskStates) -> TaskStatesResult:
        assert msg.run_ids
        assert msg.task_ids
        return TaskStatesResult(task_states={msg.run_ids[0]: {msg.task_ids[0]: self.state}})


@pytest.fixture
def airflow(monkeypatch: pytest.MonkeyPatch) -> Airflow:
    if hasattr(BaseTrigger, "on_kill"):
        monkeypatch.delattr(BaseTrigger, "on_kill")
    answering = Airflow()
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", answering, raising=False)
    return answering


def left(task: Any, triggerer: Triggerer) -> int:
    """Run the task's trigger until it is cancelled and cleaned up; the pods that are there then."""
    what = deferred(task)
    trigger = what.trigger
    assert isinstance(trigger, KubernetesPodTrigger)
    trigger.task_instance = task.instance

    async def play() -> None:
        running = asyncio.ensure_future(anext(trigger.run()))
        await asyncio.to_thread(task.log.wait_for, "ready")
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await trigger.cleanup()

    asyncio.run_coroutine_threadsafe(play(), triggerer.loop).result(60)
    return len(task.pods())


def test_a_triggerer_that_stops_leaves_the_pod(
    task: MakeTask, triggerer: Triggerer, airflow: Airflow
) -> None:
    assert left(task("echo ready; sleep 60", deferrable=True), triggerer) == 1


@pytest.mark.parametrize("state", ["failed", "success", None])
def test_a_user_who_ends_the_task_deletes_it(
    task: MakeTask, triggerer: Triggerer, airflow: Airflow, state: str | None
) -> None:
    airflow.state = state
    assert left(task("echo ready; sleep 60", deferrable=True), triggerer) == 0
