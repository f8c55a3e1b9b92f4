"""Objects of kinds whose status is known; the test plays the operator that serves them.

A kind is known by its name, so its definition here has a group of its own, which nobody else has.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from tests.functional.triggers.conftest import Triggerer, deferred, triggerer

from podlift.operators.errors import ObjectFailed
from podlift.operators.spark import SparkKubernetesOperator

from .conftest import Api
from .job_tasks import JobTask, MakeObject, run_object

__all__ = ["run_object", "triggerer"]

pytestmark = [
    pytest.mark.functional,
    pytest.mark.real_only("the local cluster has no custom kinds"),
]

_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@dataclass(frozen=True)
class Known:
    """A kind: how its operator labels the pod that counts, and what it writes into the status."""

    kind: str
    version: str
    labels: dict[str, str]
    container: str
    running: dict[str, Any]
    succeeded: dict[str, Any]
    failed: dict[str, Any]
    words: str = "bad luck"


def _condition(kind: str, truth: str = "True") -> dict[str, str]:
    return {"type": kind, "status": truth, "reason": f"Job{kind}", "message": "bad luck"}


SPARK = Known(
    kind="SparkApplication",
    version="v1beta2",
    labels={"sparkoperator.k8s.io/app-name": "{name}", "spark-role": "driver"},
    container="spark-kubernetes-driver",
    running={"applicationState": {"state": "RUNNING"}},
    succeeded={"applicationState": {"state": "COMPLETED"}},
    failed={"applicationState": {"state": "FAILED", "errorMessage": "bad luck"}},
)
RAY = Known(
    kind="RayJob",
    version="v1",
    labels={"batch.kubernetes.io/job-name": "{name}"},
    container="ray-job-submitter",
    # A try that failed is tried again where the RayJob says so: that is not the end.
    running={"jobStatus": "FAILED", "jobDeploymentStatus": "Retrying"},
    succeeded={"jobStatus": "SUCCEEDED", "jobDeploymentStatus": "Complete"},
    failed={
        "jobStatus": "FAILED",
        "jobDeploymentStatus": "Failed",
        "reason": "AppFailed",
        "message": "bad luck",
    },
    words="AppFailed: bad luck",
)
PYTORCH = Known(
    kind="PyTorchJob",
    version="v1",
    labels={
        "training.kubeflow.org/job-name": "{name}",
        "training.kubeflow.org/replica-type": "master",
    },
    container="pytorch",
    running={"conditions": [_condition("Created"), _condition("Running")]},
    succeeded={"conditions": [_condition("Running", "False"), _condition("Succeeded")]},
    failed={"conditions": [_condition("Running", "False"), _condition("Failed")]},
    words="JobFailed: bad luck",
)


class Played:
    """One object of a known kind, and what its operator does with it."""

    def __init__(self, api: Api, namespace: str, known: Known, group: str) -> None:
        self._api = api
        self._namespace = namespace
        self._known = known
        kinds = f"/apis/{group}/{known.version}/namespaces/{namespace}"
        self._path = f"{kinds}/{known.kind.lower()}s"
        self.body = {
            "apiVersion": f"{group}/{known.version}",
            "kind": known.kind,
            "metadata": {"name": "pi"},
            "spec": {"image": "of-the-object"},
        }

    def object(self) -> dict[str, Any]:
        """The only one."""
        (found,) = self.objects()
        return found

    def objects(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self._api.request("GET", self._path)[1]["items"]
        return [each for each in items if "deletionTimestamp" not in each["metadata"]]

    def run_pod(self, exit_code: int) -> None:
        """Make the pod that counts."""
        name = self.object()["metadata"]["name"]
        labels = {label: text.format(name=name) for label, text in self._known.labels.items()}
        pod = {
            "metadata": {"name": f"{name}-pod", "labels": labels},
            "spec": {
                "restartPolicy": "Never",
                "containers": [
                    {
                        "name": self._known.container,
                        "image": "busybox:1.36",
                        "command": ["sh", "-c", f"echo roughly 3; sleep 1; exit {exit_code}"],
                    }
                ],
            },
        }
        path = f"/api/v1/namespaces/{self._namespace}/pods"
        status, body = self._api.request("POST", path, pod)
        assert status == 201, body

    def say(self, status: dict[str, Any]) -> None:
        """Write the status."""
        found = self.object() | {"status": status}
        path = f"{self._path}/{found['metadata']['name']}/status"
        code, body = self._api.request("PUT", path, found)
        assert code == 200, body


@pytest.fixture
def played(cluster: Api, namespace: str, known: Known) -> Iterator[Played]:
    """A cluster that knows the kind."""
    group, plural = f"t{secrets.token_hex(4)}.example.com", f"{known.kind.lower()}s"
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": known.version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
    }
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": known.kind, "plural": plural, "singular": known.kind.lower()},
            "versions": [version],
        },
    }
    status, body = cluster.request("POST", _DEFINITIONS, definition)
    assert status == 201, body
    kinds = f"/apis/{group}/{known.version}/namespaces/{namespace}/{plural}"
    for _ in range(400):
        if cluster.request("GET", kinds)[0] == 200:
            break
        threading.Event().wait(0.05)
    yield Played(cluster, namespace, known, group)
    cluster.request("DELETE", f"{_DEFINITIONS}/{plural}.{group}")


def task_of(run_object: MakeObject, known: Known, body: dict[str, Any], **given: Any) -> JobTask:
    if known is SPARK:
        return run_object(SparkKubernetesOperator, template_spec={"spark": body}, **given)
    return run_object(body=body, delete_on_termination=True, **given)


KINDS = pytest.mark.parametrize("known", [SPARK, RAY, PYTORCH], ids=lambda known: str(known.kind))


@KINDS
def test_it_is_seen_to_its_end(run_object: MakeObject, known: Known, played: Played) -> None:
    running = task_of(run_object, known, played.body)
    outcome = running.start()
    running.log.wait_for(f"Created {known.kind}")
    played.run_pod(0)
    played.say(known.running)
    running.log.wait_for("roughly 3")
    assert not outcome.done()
    played.say(known.succeeded)
    assert outcome.result(timeout=60) == known.succeeded
    assert played.objects() == [], "delete_on_termination"


@KINDS
def test_its_failure_is_told_with_its_words_and_its_pods_cause(
    run_object: MakeObject, known: Known, played: Played
) -> None:
    running = task_of(run_object, known, played.body)
    outcome = running.start()
    running.log.wait_for(f"Created {known.kind}")
    played.run_pod(3)
    running.log.wait_for("roughly 3")
    played.say(known.failed)
    with pytest.raises(ObjectFailed, match=f"It failed: {known.words}") as failure:
        outcome.result(timeout=60)
    assert "ended with exit code 3" in str(failure.value)


@KINDS
def test_the_triggerer_sees_it_to_its_end(
    run_object: MakeObject, known: Known, played: Played, triggerer: Triggerer
) -> None:
    waiting = task_of(run_object, known, played.body, deferrable=True)
    trigger = triggerer.start(deferred(waiting))
    played.run_pod(0)
    waiting.log.wait_for("roughly 3")
    played.say(known.succeeded)
    event = trigger.event()
    assert event["outcome"]["object"]["status"] == known.succeeded
    operator: Any = waiting.operator
    assert operator.execute_complete({"ti": waiting.instance}, event) == known.succeeded


@pytest.mark.parametrize("known", [SPARK])
def test_what_a_spark_application_is_given(
    run_object: MakeObject, known: Known, played: Played
) -> None:
    played.body["spec"] = {"driver": {"labels": {"team": "a"}}}
    run_object(
        SparkKubernetesOperator,
        template_spec=played.body,
        image="an-image",
        code_path="a.py",
        wait_for_completion=False,
    ).run()
    made = played.object()
    assert made["metadata"]["name"].startswith("pi-")
    assert made["spec"]["image"] == "an-image"
    assert made["spec"]["mainApplicationFile"] == "a.py"
    for role in ("driver", "executor"):
        assert made["spec"][role]["labels"]["dag_id"] == "a_dag"
        assert "app.kubernetes.io/managed-by" not in made["spec"][role]["labels"]
    assert made["spec"]["driver"]["labels"]["team"] == "a"


@pytest.mark.parametrize("known", [RAY])
def test_a_ray_job_that_somebody_stopped_has_failed(
    run_object: MakeObject, known: Known, played: Played
) -> None:
    running = task_of(run_object, known, played.body)
    outcome = running.start()
    running.log.wait_for("Created RayJob")
    played.say({"jobStatus": "STOPPED", "jobDeploymentStatus": "Complete"})
    with pytest.raises(ObjectFailed, match="It failed"):
        outcome.result(timeout=60)
