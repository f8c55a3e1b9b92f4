"""Objects of any kind run as tasks: the table of their status, their pods' logs, their end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from podlift.operators.custom_object import CustomObjectOperator
from podlift.operators.errors import ObjectFailed, PodNotCreated, PodStopped
from podlift.operators.spark import SparkKubernetesOperator

from .conftest import Api, TaskLog
from .job_tasks import JobTask, JobTaskInstance

pytestmark = pytest.mark.functional

MakeObject = Callable[..., JobTask]

_GROUP = "sparkoperator.k8s.io"
_KIND = f"/apis/{_GROUP}/v1beta2"


@pytest.fixture
def run_object(
    cluster: Api, namespace: str, log: TaskLog, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MakeObject]:
    """Makes a task of an object."""
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    made: list[JobTask] = []

    def make(kind: type[Any] = CustomObjectOperator, **given: Any) -> JobTask:
        operator = kind(**{"task_id": "an_object", "namespace": namespace} | given)
        instance = JobTaskInstance(operator.task_id)
        made.append(JobTask(cluster, namespace, log, operator, instance))
        return made[-1]

    yield make
    for each in made:
        each.operator.on_kill()


def a_job(shell: str) -> dict[str, Any]:
    container = {"name": "main", "image": "busybox:1.36", "command": ["sh", "-c", shell]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "given"},
        "spec": {
            "backoffLimit": 0,
            "template": {"spec": {"restartPolicy": "Never", "containers": [container]}},
        },
    }


def test_a_known_kind_needs_no_table(run_object: MakeObject) -> None:
    running = run_object(body=a_job("echo from the object"), base_container_name="main")
    status = running.run()
    assert status["succeeded"] == 1
    assert "from the object" in running.log.lines
    (made,) = running.jobs()
    assert made["metadata"]["name"].startswith("given-")


def test_a_table_says_what_the_status_means(run_object: MakeObject) -> None:
    job = a_job("exit 3")
    failing = run_object(
        body=job,
        success_when={"status.succeeded": "1"},
        failure_when={"status.conditions[type=Failed].status": ["True"]},
        messages_at=["status.conditions[type=Failed].reason"],
        delete_on_termination=True,
    )
    with pytest.raises(ObjectFailed, match="It failed: BackoffLimitExceeded"):
        failing.run()
    failing.wait_until_gone()


def test_yaml_is_taken_as_well(run_object: MakeObject) -> None:
    import yaml

    assert run_object(body=yaml.safe_dump(a_job("true"))).run()["succeeded"] == 1


def test_an_object_of_a_killed_task_is_deleted(run_object: MakeObject) -> None:
    running = run_object(body=a_job("echo ready; sleep 60"), base_container_name="main")
    outcome = running.start()
    running.log.wait_for("ready")
    running.operator.on_kill()
    with pytest.raises(PodStopped, match="was deleted"):
        outcome.result(timeout=60)
    running.wait_until_gone()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"apiVersion": "no.such/v1", "kind": "Thing"}, "success_when must say"),
        ({"kind": "Job"}, "apiVersion"),
        ("a: [", "is not YAML"),
        ("kind: Job\n---\nkind: Job\n", "must hold one object, not 2"),
    ],
)
def test_what_is_no_object_is_refused_in_words(
    run_object: MakeObject, body: Any, message: str
) -> None:
    with pytest.raises(PodNotCreated, match=message):
        run_object(body=body).run()


def test_a_kind_that_the_cluster_does_not_know_is_told(run_object: MakeObject) -> None:
    body = {"apiVersion": "no.such/v1", "kind": "Thing"}
    with pytest.raises(PodNotCreated, match=r"knows no kind Thing in no.such/v1"):
        run_object(body=body, success_when={"status.done": "True"}).run()


# SparkApplication: the test plays the Spark operator


@pytest.fixture(scope="module")
def spark(cluster: Api) -> Iterator[None]:
    """A cluster that knows SparkApplications."""
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"sparkapplications.{_GROUP}",
            # The group is a protected one; this says that nobody has approved the definition.
            "annotations": {"api-approved.kubernetes.io": "unapproved, for a test"},
        },
        "spec": {
            "group": _GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": "SparkApplication",
                "plural": "sparkapplications",
                "singular": "sparkapplication",
            },
            "versions": [
                {
                    "name": "v1beta2",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": schema},
                    "subresources": {"status": {}},
                }
            ],
        },
    }
    status, body = cluster.request("POST", path, definition)
    assert status in (201, 409), body
    for _ in range(200):
        if cluster.request("GET", f"{_KIND}/sparkapplications")[0] == 200:
            break
        threading.Event().wait(0.05)
    yield
    cluster.request("DELETE", f"{path}/sparkapplications.{_GROUP}")


APPLICATION = {
    "apiVersion": f"{_GROUP}/v1beta2",
    "kind": "SparkApplication",
    "metadata": {"name": "pi"},
    "spec": {"type": "Python", "mode": "cluster", "image": "spark", "mainApplicationFile": "a.py"},
}


@pytest.mark.real_only("the local cluster has no custom kinds")
@pytest.mark.parametrize(
    ("state", "exit_code"), [("COMPLETED", 0), ("FAILED", 3)], ids=["completed", "failed"]
)
def test_a_spark_application_is_seen_to_its_end(
    run_object: MakeObject,
    spark: None,
    cluster: Api,
    namespace: str,
    state: str,
    exit_code: int,
) -> None:
    running = run_object(
        SparkKubernetesOperator, template_spec={"spark": APPLICATION}, code_path="b.py"
    )
    outcome = running.start()
    running.log.wait_for("Created SparkApplication")
    path = f"{_KIND}/namespaces/{namespace}/sparkapplications"
    (application,) = cluster.request("GET", path)[1]["items"]
    name = application["metadata"]["name"]
    assert application["spec"]["mainApplicationFile"] == "b.py"
    driver = {
        "metadata": {
            "name": f"{name}-driver",
            "labels": {f"{_GROUP}/app-name": name, "spark-role": "driver"},
        },
        "spec": {
            "restartPolicy": "Never",
            "containers": [
                {
                    "name": "spark-kubernetes-driver",
                    "image": "busybox:1.36",
                    "command": ["sh", "-c", f"echo Pi is roughly 3; sleep 1; exit {exit_code}"],
                }
            ],
        },
    }
    status, body = cluster.request("POST", f"/api/v1/namespaces/{namespace}/pods", driver)
    assert status == 201, body
    running.log.wait_for("Pi is roughly 3")
    for each in ("RUNNING", state):
        application = cluster.request("GET", f"{path}/{name}")[1]
        application["status"] = {"applicationState": {"state": each, "errorMessage": "bad luck"}}
        status, body = cluster.request("PUT", f"{path}/{name}/status", application)
        assert status == 200, body
    if state == "COMPLETED":
        assert outcome.result(timeout=60)["applicationState"]["state"] == state
    else:
        with pytest.raises(ObjectFailed, match="It failed: bad luck") as failure:
            outcome.result(timeout=60)
        assert "ended with exit code 3" in str(failure.value)
    left = cluster.request("GET", path)[1]["items"]
    assert all("deletionTimestamp" in each["metadata"] for each in left), "delete_on_termination"
