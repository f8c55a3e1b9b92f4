"""Jobs run as tasks: what their logs hold, how they end, and what becomes of them."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from podlift.operators.errors import ObjectFailed, PodNotCreated, PodStopped
from podlift.operators.job import KubernetesDeleteJobOperator, KubernetesPatchJobOperator

from .conftest import Api
from .job_tasks import MakeJob, job, try_2

__all__ = ["job"]

pytestmark = pytest.mark.functional


def test_a_job_runs_and_its_pods_log_is_the_tasks(job: MakeJob) -> None:
    single = job("echo hello from the job")
    single.run()
    assert "hello from the job" in single.log.lines
    (made,) = single.jobs()
    assert made["metadata"]["name"].startswith("job-a-job-")
    assert made["metadata"]["labels"]["dag_id"] == "a_dag"
    assert single.instance.pushed == {
        "job_name": made["metadata"]["name"],
        "job_namespace": made["metadata"]["namespace"],
    }
    assert single.pods() == [], "on_finish_action deletes the pods, and the Job stays"


def test_a_job_with_a_selector_of_its_own_has_its_log_and_result(job: MakeJob) -> None:
    manual = job(
        "echo selected; echo 5 > /airflow/xcom/return.json",
        manual_selector=True,
        selector={"matchLabels": {"chosen": "yes"}},
        labels={"chosen": "yes"},
        do_xcom_push=True,
    )
    assert manual.run() == 5
    assert "selected" in manual.log.lines


def test_each_index_runs_and_its_lines_say_which(job: MakeJob) -> None:
    indexed = job(
        "echo I am $JOB_COMPLETION_INDEX",
        completion_mode="Indexed",
        completions=3,
        parallelism=3,
        on_finish_action="keep_pod",
    )
    indexed.run()
    for index in range(3):
        assert f"[{index}] I am {index}" in indexed.log.lines
    assert len(indexed.pods()) == 3


def test_results_come_in_the_order_of_the_indexes(job: MakeJob) -> None:
    script = 'echo "{\\"index\\": $JOB_COMPLETION_INDEX}" > /airflow/xcom/return.json'
    indexed = job(
        script, completion_mode="Indexed", completions=2, parallelism=2, do_xcom_push=True
    )
    assert indexed.run() == [{"index": 0}, {"index": 1}]


@pytest.mark.parametrize(("unwrap", "result"), [(True, 7), (False, [7])])
def test_a_single_result_is_unwrapped(job: MakeJob, unwrap: bool, result: Any) -> None:
    single = job("echo 7 > /airflow/xcom/return.json", do_xcom_push=True, unwrap_single=unwrap)
    assert single.run() == result


def test_a_job_that_fails_is_told_with_its_pods_cause(job: MakeJob) -> None:
    failing = job("echo oops; exit 3", backoff_limit=0)
    with pytest.raises(ObjectFailed, match="BackoffLimitExceeded") as failure:
        failing.run()
    assert "Container 'base' ended with exit code 3" in str(failure.value)
    assert "oops" in failing.log.lines


def test_an_exit_code_can_skip_the_task(job: MakeJob) -> None:
    with pytest.raises(AirflowSkipException, match="exit code 99"):
        job("exit 99", backoff_limit=0, skip_on_exit_code=99).run()


def test_a_job_that_takes_too_long_is_told_as_such(job: MakeJob) -> None:
    with pytest.raises(ObjectFailed, match="DeadlineExceeded"):
        job("trap 'exit 1' TERM; sleep 60 & wait", active_deadline_seconds=2).run()


def test_a_task_that_does_not_wait_only_creates_the_job(job: MakeJob) -> None:
    creating = job("sleep 60", wait_until_job_complete=False)
    creating.run()
    (made,) = creating.jobs()
    creating.log.wait_for("does not wait", timeout=0)
    assert made["spec"]["parallelism"] == 1


@pytest.mark.parametrize("policy", ["Foreground", "Background"])
def test_a_task_that_is_killed_deletes_its_job_and_pods(job: MakeJob, policy: str) -> None:
    running = job(
        "trap 'exit 1' TERM; echo ready; sleep 60 & wait", on_kill_propagation_policy=policy
    )
    outcome = running.start()
    running.log.wait_for("ready")
    running.operator.on_kill()
    with pytest.raises(PodStopped, match="was deleted"):
        outcome.result(timeout=60)
    running.wait_until_gone()


def test_a_job_that_somebody_deletes_fails_the_task(job: MakeJob, cluster: Api) -> None:
    running = job("trap 'exit 1' TERM; echo ready; sleep 60 & wait")
    outcome = running.start()
    running.log.wait_for("ready")
    (made,) = running.jobs()
    metadata = made["metadata"]
    cluster.request(
        "DELETE",
        f"/apis/batch/v1/namespaces/{metadata['namespace']}/jobs/{metadata['name']}"
        "?propagationPolicy=Background",
    )
    with pytest.raises(ObjectFailed, match="somebody deleted it"):
        outcome.result(timeout=60)


def test_the_next_try_goes_on_with_the_job_of_one_that_died(job: MakeJob) -> None:
    script = "echo ready; while ! [ -e /tmp/never ]; do sleep 0.1; done"
    died = job(script, wait_until_job_complete=False)
    died.run()
    (made,) = died.jobs()
    second = job(script, try_2(died.instance), backoff_limit=0)
    outcome = second.start()
    second.log.wait_for("of an earlier try; going on with it")
    second.log.wait_for("ready")
    assert [each["metadata"]["uid"] for each in second.jobs()] == [made["metadata"]["uid"]]
    second.operator.on_kill()
    with pytest.raises(PodStopped):
        outcome.result(timeout=60)


def test_without_durable_the_next_try_begins_anew(job: MakeJob) -> None:
    died = job("trap 'exit 1' TERM; sleep 60 & wait", wait_until_job_complete=False)
    died.run()
    (made,) = died.jobs()
    second = job("echo fresh", try_2(died.instance), durable=False)
    second.run()
    assert "fresh" in second.log.lines
    assert made["metadata"]["uid"] not in {each["metadata"]["uid"] for each in second.jobs()}


def test_a_pod_that_does_not_start_in_time_is_given_up(job: MakeJob) -> None:
    missing = {"name": "A", "valueFrom": {"secretKeyRef": {"name": "nope", "key": "k"}}}
    stuck = job("true", env_vars=[missing], startup_timeout_seconds=3)
    with pytest.raises(ObjectFailed, match="did not start within 3 seconds"):
        stuck.run()
    stuck.wait_until_gone()


def test_a_suspended_job_waits_until_it_is_resumed(job: MakeJob, namespace: str) -> None:
    waiting = job("echo resumed", suspend=True)
    outcome = waiting.start()
    waiting.log.wait_for("suspended; it starts when")
    (made,) = waiting.jobs()
    resume = KubernetesPatchJobOperator(
        task_id="resume",
        name=made["metadata"]["name"],
        namespace=namespace,
        body={"spec": {"suspend": False}},
    )
    assert resume.execute({})["spec"]["suspend"] is False
    outcome.result(timeout=60)
    assert "resumed" in waiting.log.lines


def test_a_job_is_deleted_by_its_status(job: MakeJob, namespace: str) -> None:
    done = job("true")
    done.run()
    (made,) = done.jobs()
    name = made["metadata"]["name"]

    def delete(**given: Any) -> None:
        KubernetesDeleteJobOperator(
            task_id="delete", name=name, namespace=namespace, **given
        ).execute({})

    delete(delete_on_status="Failed")
    assert len(done.jobs()) == 1
    delete(delete_on_status="Complete", wait_for_completion=True)
    done.wait_until_gone()
    delete()
    done.log.wait_for("is not there", timeout=0)


def test_an_invalid_job_fails_at_once_in_the_servers_words(job: MakeJob) -> None:
    with pytest.raises(PodNotCreated, match="completions"):
        job(completion_mode="Indexed", parallelism=2).run()


def test_a_template_lies_below_the_parameters(job: MakeJob) -> None:
    template = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "templated", "labels": {"team": "blue"}},
        "spec": {
            "backoffLimit": 1,
            "ttlSecondsAfterFinished": 600,
            "template": {
                "spec": {"containers": [{"name": "base", "env": [{"name": "A", "value": "a"}]}]}
            },
        },
    }
    made = job("echo A is $A", full_job_spec=template, backoff_limit=2, on_finish_action="keep_pod")
    made.run()
    (found,) = made.jobs()
    assert found["metadata"]["name"].startswith("job-templated-")
    assert found["metadata"]["labels"]["team"] == "blue"
    assert found["spec"]["backoffLimit"] == 2
    assert found["spec"]["ttlSecondsAfterFinished"] == 600
    assert any(line.endswith("A is a") for line in made.log.lines)
