"""Pods and Jobs that Kueue lets go when it has room for them; the test plays Kueue."""

from __future__ import annotations

import time
from typing import Any

import pytest

from podlift.operators.kueue import QUEUE, KubernetesStartKueueJobOperator

from .conftest import Api, TaskLog
from .job_tasks import JobTask, JobTaskInstance
from .test_pod import MakeTask

pytestmark = pytest.mark.functional

GATE = "kueue.x-k8s.io/admission"


def test_a_pod_may_wait_in_a_queue_for_longer_than_it_may_wait_for_a_node(
    task: MakeTask, cluster: Api
) -> None:
    queued = task(
        "echo admitted",
        labels={QUEUE: "team-queue"},
        full_pod_spec={"spec": {"schedulingGates": [{"name": GATE}]}},
        schedule_timeout_seconds=0.5,
        startup_timeout_seconds=60,
    )
    outcome = queued.start()
    queued.log.wait_for("held back by Kueue until its queue 'team-queue' has room")
    time.sleep(1)
    assert not outcome.done()
    (pod,) = queued.pods()
    metadata = pod["metadata"]
    path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
    pod["spec"].pop("schedulingGates")
    status, body = cluster.request("PUT", path, pod)
    assert status == 200, body
    outcome.result(timeout=60)
    assert "admitted" in queued.log.lines


def test_a_job_runs_when_its_queue_has_let_it_go(
    cluster: Api, namespace: str, log: TaskLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    parameters: dict[str, Any] = {"image": "busybox:1.36", "cmds": ["echo", "admitted"]}
    operator = KubernetesStartKueueJobOperator(
        task_id="queued",
        namespace=namespace,
        queue_name="team-queue",
        wait_until_job_complete=True,
        **parameters,
    )
    queued = JobTask(cluster, namespace, log, operator, JobTaskInstance("queued"))
    outcome = queued.start()
    log.wait_for("suspended; it starts when")
    (job,) = queued.jobs()
    assert job["metadata"]["labels"][QUEUE] == "team-queue"
    assert QUEUE not in job["spec"]["template"]["metadata"]["labels"]
    job["spec"]["suspend"] = False
    path = f"/apis/batch/v1/namespaces/{namespace}/jobs/{job['metadata']['name']}"
    status, body = cluster.request("PUT", path, job)
    assert status == 200, body
    outcome.result(timeout=60)
    assert "admitted" in log.lines
