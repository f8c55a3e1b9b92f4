"""Tasks that give their worker back: the triggerer waits for their pod."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException, AirflowTaskTimeout, TaskDeferralError

from podlift.callbacks import KubernetesPodOperatorCallback
from podlift.operators.errors import PodFailed, PodNotStarted
from podlift.pods.diagnosis import Cause

from .conftest import MakeTask, Triggerer, deferred, resumed

pytestmark = pytest.mark.functional

ENDLESS = "trap 'exit 0' TERM; echo ready; while true; do sleep 0.1; done"


class Moments(KubernetesPodOperatorCallback):
    """Writes down what it is called with."""

    seen: list[str]

    @classmethod
    def on_pod_creation(cls, **kwargs: Any) -> None:
        cls.seen.append("creation")

    @classmethod
    def on_operator_resuming(cls, *, event: dict[str, Any], **kwargs: Any) -> None:
        cls.seen.append(f"resuming after {event['status']}")

    @classmethod
    def on_pod_starting(cls, **kwargs: Any) -> None:
        cls.seen.append("starting")

    @classmethod
    def on_pod_completion(cls, *, pod: Any, **kwargs: Any) -> None:
        code = pod.status.container_statuses[0].state.terminated.exit_code
        cls.seen.append(f"completion with {code}")

    @classmethod
    def on_pod_cleanup(cls, **kwargs: Any) -> None:
        cls.seen.append("cleanup")

    @classmethod
    def progress_callback(cls, *, line: str, mode: str, **kwargs: Any) -> None:
        cls.seen.append(f"{line} ({mode})")


def test_a_deferred_task_tells_its_log_and_ends_well(task: MakeTask, triggerer: Triggerer) -> None:
    waiting = task("echo one; sleep 0.3; echo two", deferrable=True)
    event = triggerer.start(deferred(waiting)).event()
    assert [line for line in waiting.log.lines if line in ("one", "two")] == ["one", "two"]
    assert event["status"] == "success"
    assert len(waiting.pods()) == 1, "the pod must be there until the task goes on"
    assert resumed(waiting, event) is None
    assert waiting.pods() == []


def test_its_result_comes_back(task: MakeTask, triggerer: Triggerer) -> None:
    script = """echo '{"a": 1}' > /airflow/xcom/return.json"""
    waiting = task(script, deferrable=True, do_xcom_push=True)
    event = triggerer.start(deferred(waiting)).event()
    assert resumed(waiting, event) == {"a": 1}


def test_it_fails_as_a_task_that_waits_itself(task: MakeTask, triggerer: Triggerer) -> None:
    failing = task("echo oops; exit 3", deferrable=True)
    event = triggerer.start(deferred(failing)).event()
    with pytest.raises(PodFailed, match="Container 'base' ended with exit code 3") as failure:
        resumed(failing, event)
    assert failure.value.diagnosis is not None
    assert failure.value.diagnosis.cause is Cause.FAILED
    assert failing.pods() == []


def test_what_is_given_to_the_trigger_comes_with_its_event(
    task: MakeTask, triggerer: Triggerer
) -> None:
    waiting = task("true", deferrable=True, trigger_kwargs={"mine": [1]})
    event = triggerer.start(deferred(waiting)).event()
    assert (event["mine"], event["status"]) == ([1], "success")
    resumed(waiting, event)


def test_it_is_skipped_by_its_exit_code(task: MakeTask, triggerer: Triggerer) -> None:
    skipping = task("exit 42", deferrable=True, skip_on_exit_code=42)
    event = triggerer.start(deferred(skipping)).event()
    with pytest.raises(AirflowSkipException):
        resumed(skipping, event)


def test_a_pod_that_does_not_start_in_time_is_told(task: MakeTask, triggerer: Triggerer) -> None:
    never = task(
        "true",
        deferrable=True,
        startup_timeout_seconds=1,
        node_selector={"no-such": "node"},
    )
    event = triggerer.start(deferred(never)).event()
    with pytest.raises(PodNotStarted, match="did not start within 1 seconds"):
        resumed(never, event)
    assert never.pods() == []


def test_the_triggerer_tells_the_log_on_after_a_restart(task: MakeTask) -> None:
    script = "for i in $(seq 1 60); do echo line $i; sleep 0.03; done"
    waiting = task(script, deferrable=True)
    first = Triggerer()
    what = deferred(waiting)
    first.start(what)
    waiting.log.wait_for("line 10")
    first.stop()
    assert len(waiting.pods()) == 1, "a triggerer that stops must leave the pods"
    second = Triggerer()
    try:
        event = second.start(what).event()
    finally:
        second.stop()
    told = [line for line in waiting.log.lines if line.startswith("line ")]
    assert told == [f"line {number}" for number in range(1, 61)]
    resumed(waiting, event)


def test_a_user_who_ends_it_deletes_the_pod(task: MakeTask, triggerer: Triggerer) -> None:
    running = task(ENDLESS, deferrable=True)
    trigger = triggerer.start(deferred(running))
    running.log.wait_for("ready")
    trigger.kill()
    assert running.pods() == []


def test_a_user_may_end_it_and_keep_the_pod(task: MakeTask, triggerer: Triggerer) -> None:
    running = task("echo ready; sleep 5", deferrable=True, on_kill_action="keep_pod")
    trigger = triggerer.start(deferred(running))
    running.log.wait_for("ready")
    trigger.kill()
    assert len(running.pods()) == 1


def test_its_timeout_counts_while_it_is_deferred(task: MakeTask, triggerer: Triggerer) -> None:
    running = task(ENDLESS, deferrable=True, execution_timeout=timedelta(seconds=1.5))
    what = deferred(running)
    assert what.timeout is not None
    assert what.timeout > timedelta(seconds=10), "Airflow must not be before the trigger"
    event = triggerer.start(what).event()
    assert event["status"] == "timeout"
    with pytest.raises(AirflowTaskTimeout):
        resumed(running, event)
    assert running.pods() == []


def test_another_pod_takes_the_place_of_one_that_was_evicted(
    task: MakeTask, triggerer: Triggerer, cluster: Any
) -> None:
    script = 'case "$HOSTNAME" in *-1) echo first; sleep 60;; *) echo second;; esac'
    moved = task(script, deferrable=True)
    trigger = triggerer.start(deferred(moved))
    moved.log.wait_for("first")
    (pod,) = moved.pods()
    where = {"name": pod["metadata"]["name"], "namespace": pod["metadata"]["namespace"]}
    path = f"/api/v1/namespaces/{where['namespace']}/pods/{where['name']}/eviction"
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": where}
    eviction["deleteOptions"] = {"gracePeriodSeconds": 0}
    cluster.request("POST", path, eviction)
    event = trigger.event()
    assert event["status"] == "success"
    assert event["name"].endswith("-2")
    assert "Another pod is started" in moved.log.text
    assert "second" in moved.log.lines
    resumed(moved, event)
    assert moved.pods() == []


def test_callbacks_are_called_on_the_worker_and_lines_where_they_are_told(
    task: MakeTask, triggerer: Triggerer
) -> None:
    Moments.seen = []
    waiting = task("echo hello", deferrable=True, callbacks=Moments)
    event = triggerer.start(deferred(waiting)).event()
    resumed(waiting, event)
    assert Moments.seen == [
        "creation",
        "hello (async)",
        "resuming after success",
        "starting",
        "completion with 0",
        "cleanup",
    ]


def test_lines_come_late_where_the_triggerer_cannot_import_what_wants_them(
    task: MakeTask, triggerer: Triggerer
) -> None:
    lines: list[str] = []
    waiting = task("echo hello", deferrable=True, progress_callback=lambda line: lines.append(line))
    event = triggerer.start(deferred(waiting)).event()
    assert "hello" not in waiting.log.lines
    resumed(waiting, event)
    assert lines == ["hello"]
    assert waiting.log.lines.count("hello") == 1


def test_a_pod_that_was_deleted_after_its_end_has_ended_well(
    task: MakeTask, triggerer: Triggerer, cluster: Any
) -> None:
    waiting = task("echo done", deferrable=True)
    event = triggerer.start(deferred(waiting)).event()
    (pod,) = waiting.pods()
    metadata = pod["metadata"]
    path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
    cluster.request("DELETE", f"{path}?gracePeriodSeconds=0")
    while cluster.request("GET", path)[0] != 404:
        time.sleep(0.05)
    assert resumed(waiting, event) is None


def test_a_trigger_that_failed_leaves_no_pod(task: MakeTask) -> None:
    running = task(ENDLESS, deferrable=True)
    deferred(running)
    assert len(running.pods()) == 1
    context: Any = {"ti": running.instance}
    with pytest.raises(TaskDeferralError):
        running.operator.resume_execution("__fail__", {"error": "Trigger failure"}, context)
    assert running.pods() == []


def test_no_secret_is_in_what_airflow_stores(task: MakeTask, cluster: Any) -> None:
    what = deferred(task("true", deferrable=True))
    _, arguments = what.trigger.serialize()
    assert set(arguments["hook"]) == {"conn_id"}
    token = getattr(cluster, "token", "")
    assert not token or token not in repr(arguments)
