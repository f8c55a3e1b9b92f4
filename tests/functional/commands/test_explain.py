"""``airflow podlift explain``."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from airflow.jobs.job import Job
from airflow.models.log import Log

from podlift.executor.log_lines import cause_lines
from podlift.pods.naming import pod_name

if TYPE_CHECKING:
    from tests.functional.commands.conftest import AirflowHome

pytestmark = pytest.mark.functional

RUN = "manual__one"


def explain(airflow: AirflowHome, task_id: str, **options: str) -> Any:
    return airflow.run("explain", airflow.dag_id, task_id, RUN, "-o", "json", **options).data


def what(told: Any) -> str:
    return "\n".join(step["what"] for step in told["steps"])


def test_a_pod_that_failed_is_diagnosed_as_long_as_it_is_there(airflow: AirflowHome) -> None:
    airflow.task("bad", "failed", start_date=datetime.now(UTC), queued_by_job_id=4711)
    name = airflow.pod("bad", "exit 3", phase="Failed")
    told = explain(airflow, "bad")
    assert told["conclusion"]["cause"] == "failed"
    assert "exit code 3" in told["conclusion"]["sentence"]
    assert told["conclusion"]["known_from"] == f"pod {name}"
    assert "queued by scheduler job 4711, which is no longer alive" in what(told)
    assert f"Pod {name} was created by executor 7-deadbeef (launch 1 of the try)." in what(told)
    assert f"Container 'base' of pod {name} ended with exit code 3." in what(told)
    times = [step["at"] for step in told["steps"] if step["at"]]
    assert times == sorted(times)


def test_a_pod_that_is_gone_is_known_from_the_log_that_was_kept(airflow: AirflowHome) -> None:
    airflow.task("lost", "failed", end_date=datetime.now(UTC))
    sentence = (
        "The pod was evicted from its node: The node was low on resource: memory. "
        "Try again; requests nearer to what the task uses make an eviction less likely."
    )
    airflow.log_file("lost").with_name("attempt=1.log.pod-1.abc.log").write_bytes(
        cause_lines("pod-1", sentence, ())
    )
    told = explain(airflow, "lost")
    assert told["conclusion"] == {
        "sentence": "Pod pod-1: The pod was evicted from its node: "
        "The node was low on resource: memory.",
        "remedy": "Try again; requests nearer to what the task uses make an eviction less likely.",
        "cause": "evicted",
        "known_from": "the task's log",
    }
    shown = airflow.run("explain", airflow.ids["lost"]).out
    assert shown.startswith(f"{airflow.dag_id}.lost, run {RUN}: failed (try 1)\n")
    assert shown.endswith("(cause evicted, known from the task's log)\n")


def test_a_task_that_failed_itself_is_told_its_own_error(airflow: AirflowHome) -> None:
    airflow.task("raises", "failed", end_date=datetime.now(UTC))
    airflow.log_file("raises").write_text(
        '{"timestamp":"2026-01-01T00:00:00Z","level":"error","event":"Task failed with exception",'
        '"error_detail":[{"exc_type":"ValueError","exc_value":"no such table"}]}\n'
    )
    told = explain(airflow, "raises")["conclusion"]
    assert "Task failed with exception: ValueError: no such table" in told["sentence"]
    assert told["cause"] == "failed"


def test_a_pod_that_does_not_start_is_told_with_its_events(airflow: AirflowHome) -> None:
    airflow.task("waits", "queued", queued_by_job_id=None)
    name = airflow.pod("waits", "true", nodeSelector={"no": "such-node"})
    end = time.monotonic() + 30
    while "FailedScheduling" not in what(told := explain(airflow, "waits")):
        assert time.monotonic() < end, told
    assert told["conclusion"]["cause"] == "unschedulable"
    airflow.delete(name)
    told = explain(airflow, "waits")
    assert "FailedScheduling" in what(told)  # Kubernetes keeps events longer than pods
    assert airflow.run("explain", name).code == 1  # nobody knows the name any more


def test_the_event_log_and_the_scheduler_are_asked_where_there_is_no_pod(
    airflow: AirflowHome,
) -> None:
    now = datetime.now(UTC)
    job = Job(  # type: ignore[no-untyped-call]
        id=int(time.time_ns() % 10**9),
        state="running",
        job_type="SchedulerJob",
        latest_heartbeat=now + timedelta(minutes=5),
    )
    job_id = job.id
    ti_id = airflow.task("waits", "queued", queued_by_job_id=job_id)
    airflow.task("nothing", "queued", queued_by_job_id=job_id + 1)
    entry = Log(event="podlift", extra="The pod is not created yet: the quota is used up.")
    entry.dag_id, entry.task_id, entry.run_id = airflow.dag_id, "waits", RUN
    entry.map_index, entry.try_number = -1, 1
    airflow.write(job, entry)
    told = explain(airflow, "waits")
    assert "the quota is used up" in told["conclusion"]["sentence"]
    assert f"queued by scheduler job {job_id}, which is alive" in what(told)
    assert told["tries"][0]["ti_id"] == ti_id
    assert "no longer alive" in explain(airflow, "nothing")["conclusion"]["sentence"]


def test_a_name_is_enough_while_the_pod_is_there(airflow: AirflowHome) -> None:
    ti_id = airflow.task("runs", "running", start_date=datetime.now(UTC))
    name = airflow.pod("runs", "sleep 600", phase="Running")
    assert name == pod_name((airflow.dag_id, "runs"), ti_id, 1)
    told = airflow.run("explain", name, "-o", "json").data
    assert told["task_id"] == "runs"
    assert f"Pod {name} is running" in told["conclusion"]["sentence"]


def test_one_of_several_mapped_instances_has_to_be_named(airflow: AirflowHome) -> None:
    for index in range(3):
        airflow.task("mapped", "success", map_index=index)
    which = airflow.run("explain", airflow.dag_id, "mapped", RUN)
    assert which.code == 1
    assert "--map-index, 0 to 2" in which.err
    one = airflow.run("explain", airflow.dag_id, "mapped", RUN, "--map-index", "1", "-o", "json")
    assert one.data["map_index"] == 1
    assert one.data["conclusion"]["sentence"] == "Try 1 succeeded."


def test_what_cannot_be_found_is_said_in_one_sentence(airflow: AirflowHome) -> None:
    for arguments in (("no", "such", "task"), ("dag", "task"), ("no-such-pod-1",)):
        done = airflow.run("explain", *arguments)
        assert done.code == 1
        assert done.err.startswith("airflow podlift: ")
        assert done.err.count("\n") == 1


def test_without_the_cluster_the_database_is_told(airflow: AirflowHome) -> None:
    airflow.task("waits", "queued")
    told = explain(airflow, "waits", config_file="/nowhere/kubeconfig")
    assert "/nowhere/kubeconfig" in told["cluster_problem"]
    assert "doctor" in told["conclusion"]["remedy"]


def test_nothing_but_the_answer_is_on_standard_output(airflow: AirflowHome) -> None:
    """Airflow logs while it is imported, and Airflow 3.2 to standard output."""
    airflow.task("waits", "queued")
    process = airflow.start("explain", airflow.dag_id, "waits", RUN, "-o", "json")
    out, err = process.communicate(timeout=60)
    assert json.loads(out)["task_id"] == "waits", err
