"""Tasks that wait for a Job in the triggerer."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk.bases.operator import ExecutorSafeguard
from airflow.sdk.exceptions import TaskDeferralTimeout
from tests.functional.operators.job_tasks import JobTask, MakeJob, job

from podlift.callbacks import KubernetesPodOperatorCallback
from podlift.operators.errors import ObjectFailed, PodNotObserved

from .conftest import Triggerer, deferred

__all__ = ["job"]

pytestmark = pytest.mark.functional

ENDLESS = "trap 'exit 1' TERM; echo ready; sleep 60 & wait"


def resumed(task: JobTask, event: Any, method: str = "execute_complete") -> Any:
    """Go on as Airflow does when the trigger has fired, or failed."""
    ExecutorSafeguard.tracker.set(task.operator)
    given = {"event": event} if method == "execute_complete" else event
    context: Any = {"ti": task.instance}
    return task.operator.resume_execution(method, given, context)


def test_logs_flow_while_the_task_is_deferred(job: MakeJob, triggerer: Triggerer) -> None:
    waiting = job(
        'echo "I am $JOB_COMPLETION_INDEX"; echo 1 > /airflow/xcom/return.json',
        completion_mode="Indexed",
        completions=2,
        parallelism=2,
        do_xcom_push=True,
        deferrable=True,
    )
    event = triggerer.start(deferred(waiting)).event()
    assert {"[0] I am 0", "[1] I am 1"} <= set(waiting.log.lines)
    assert "[0] Container 'base' ended with exit code 0." in waiting.log.lines
    assert resumed(waiting, event) == [1, 1]
    assert waiting.log.lines.count("[0] I am 0") == 1
    assert waiting.pods() == []


def test_a_deferred_job_that_fails_is_told_with_its_cause(
    job: MakeJob, triggerer: Triggerer
) -> None:
    failing = job("exit 3", backoff_limit=0, deferrable=True)
    event = triggerer.start(deferred(failing)).event()
    with pytest.raises(ObjectFailed, match="ended with exit code 3"):
        resumed(failing, event)


def test_a_user_who_ends_the_task_ends_its_job(job: MakeJob, triggerer: Triggerer) -> None:
    running = job(ENDLESS, deferrable=True)
    trigger = triggerer.start(deferred(running))
    running.log.wait_for("ready")
    trigger.kill()
    running.wait_until_gone()


def test_a_triggerer_that_stops_leaves_the_job_to_the_next(job: MakeJob) -> None:
    running = job("echo one; sleep 3; echo two", deferrable=True)
    waiting = deferred(running)
    first = Triggerer()
    first.start(waiting)
    running.log.wait_for("one")
    first.stop()
    assert len(running.jobs()) == 1
    following = Triggerer()
    following.start(waiting)
    running.log.wait_for("two")
    following.stop()
    assert running.log.lines.count("one") == 1, "what was told is not told again"


def test_callbacks_are_called_when_the_task_goes_on(job: MakeJob, triggerer: Triggerer) -> None:
    seen: list[str] = []

    class Moments(KubernetesPodOperatorCallback):
        @staticmethod
        def on_pod_creation(**kwargs: Any) -> None:
            seen.append("creation")

        @staticmethod
        def progress_callback(*, line: str, **kwargs: Any) -> None:
            seen.append(line)

    waiting = job("echo a line", callbacks=Moments, deferrable=True)
    event = triggerer.start(deferred(waiting)).event()
    assert seen == []
    resumed(waiting, event)
    assert seen == ["creation", "a line"]


def test_a_trigger_that_takes_too_long_ends_the_job(job: MakeJob) -> None:
    running = job(ENDLESS, deferrable=True)
    deferred(running)
    with pytest.raises(TaskDeferralTimeout):
        resumed(running, {"error": "Trigger timeout"}, "__fail__")
    running.wait_until_gone()


def test_a_cluster_that_cannot_be_reached_fails_the_task_in_words(
    job: MakeJob, triggerer: Triggerer, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = job("true", deferrable=True)
    waiting = deferred(lost)
    with monkeypatch.context() as patched:
        patched.setenv("KUBECONFIG", "/no/such/file")
        event = triggerer.start(waiting).event()
    with pytest.raises(PodNotObserved, match="There is no kubeconfig"):
        resumed(lost, event)
