"""The Job that an operator's parameters describe, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from kubernetes import client

from podlift.operators.job import KubernetesDeleteJobOperator, KubernetesJobOperator
from podlift.operators.job_manifest import JOB_FIELDS, job_manifest, object_name
from podlift.operators.kueue import KubernetesInstallKueueOperator, KubernetesStartKueueJobOperator
from podlift.operators.object_manifest import object_manifest, read_object
from podlift.operators.spark import SparkKubernetesOperator
from podlift.pods.errors import InvalidManifest
from podlift.pods.labels import Identity, identity_of
from podlift.pods.plain import Manifest
from podlift.pods.reading import read_pod

IDENTITY = Identity(dag_id="d", task_id="t", run_id="r", ti_id="u", try_number=2)


def manifest(**parameters: Any) -> Manifest:
    template = parameters.pop("template", None)
    labels = parameters.pop("job_labels", None)
    given: dict[str, Any] = {"image": "busybox"}
    return job_manifest(
        given | parameters,
        identity=IDENTITY,
        namespace="default",
        default_name="task",
        template=template,
        labels=labels,
    )


VALUES: dict[str, Any] = {
    "active_deadline_seconds": 7,
    "backoff_limit": 0,
    "completion_mode": "Indexed",
    "completions": 3,
    "manual_selector": True,
    "parallelism": 2,
    "pod_failure_policy": {"rules": []},
    "selector": {"matchLabels": {"a": "b"}},
    "suspend": False,
    "ttl_seconds_after_finished": 0,
}


def test_every_parameter_becomes_its_field() -> None:
    assert set(VALUES) == set(JOB_FIELDS)
    spec = manifest(**VALUES)["spec"]
    assert {field: spec[field] for field in JOB_FIELDS.values()} == {
        JOB_FIELDS[name]: value for name, value in VALUES.items()
    }


def test_what_is_not_said_is_left_to_kubernetes() -> None:
    assert set(manifest()["spec"]) == {"template"}


def test_the_deadline_is_the_jobs_and_not_each_pods() -> None:
    pod = manifest(active_deadline_seconds=7)["spec"]["template"]["spec"]
    assert "activeDeadlineSeconds" not in pod


def test_job_and_pods_know_whose_they_are() -> None:
    job = manifest(labels={"team": "blue"})
    for metadata in (job["metadata"], job["spec"]["template"]["metadata"]):
        assert metadata["labels"]["team"] == "blue"
        assert metadata["labels"]["app.kubernetes.io/component"] == "job"
    pod = read_pod({"metadata": job["spec"]["template"]["metadata"], "spec": {}})
    assert identity_of(pod) == IDENTITY


def test_the_same_try_makes_the_same_name_and_it_fits() -> None:
    name = manifest(name="a" * 100)["metadata"]["name"]
    assert name == manifest(name="a" * 100)["metadata"]["name"]
    assert len(name) <= 63 - len("-12345-abcde"), "its pods' host names are longer"
    assert object_name("exact", IDENTITY, unique=False) == "job-exact"


def test_a_template_lies_below_and_model_objects_will_do() -> None:
    template = client.V1Job(
        metadata=client.V1ObjectMeta(name="mine", labels={"a": "b"}),
        spec=client.V1JobSpec(
            backoff_limit=1,
            parallelism=5,
            template=client.V1PodTemplateSpec(
                metadata=client.V1ObjectMeta(labels={"c": "d"}),
                spec=client.V1PodSpec(
                    containers=[client.V1Container(name="base", args=["x"])],
                    node_selector={"disk": "ssd"},
                ),
            ),
        ),
    )
    job = manifest(template=template, parallelism=2)
    assert job["metadata"]["name"].startswith("job-mine-")
    assert job["metadata"]["labels"]["a"] == "b"
    assert (job["spec"]["backoffLimit"], job["spec"]["parallelism"]) == (1, 2)
    pod = job["spec"]["template"]
    assert pod["metadata"]["labels"]["c"] == "d"
    assert pod["spec"]["nodeSelector"] == {"disk": "ssd"}
    assert pod["spec"]["containers"] == [{"name": "base", "args": ["x"], "image": "busybox"}]


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ({"kind": "Pod"}, "must be a Job"),
        ({"spec": []}, "must be a mapping"),
        ({"spec": {"template": []}}, "must be a mapping"),
        ({"spec": {"template": {"spec": {"restartPolicy": "Always"}}}}, "restartPolicy"),
    ],
)
def test_a_template_that_is_no_job_is_refused(template: Any, message: str) -> None:
    with pytest.raises(InvalidManifest, match=message):
        manifest(template=template)


def test_labels_of_the_job_alone_are_not_its_pods() -> None:
    job = manifest(job_labels={"queue": "q"})
    assert job["metadata"]["labels"]["queue"] == "q"
    assert "queue" not in job["spec"]["template"]["metadata"]["labels"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: _job(infrastructure_retries=1), "infrastructure_retries is not for Jobs"),
        (lambda: _job(out_of_memory_factor=2), "out_of_memory_factor is not for Jobs"),
        (lambda: _job(on_kill_propagation_policy="Never"), "must be Foreground"),
        (lambda: _job(job_template_file="a", full_job_spec={"a": 1}), "not both"),
        (lambda: _kueue(suspend=False), "begins suspended"),
        (lambda: _delete(delete_on_status="Done"), "must be Complete, Failed or None"),
        (lambda: SparkKubernetesOperator(task_id="t"), "one of the two"),
        (
            lambda: SparkKubernetesOperator(task_id="t", template_spec={"kubernetes": {}}),
            "section kubernetes",
        ),
    ],
)
def test_what_cannot_work_is_refused_when_the_dag_is_parsed(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def _job(**given: Any) -> KubernetesJobOperator:
    return KubernetesJobOperator(task_id="t", image="busybox", **given)


def _kueue(**given: Any) -> KubernetesStartKueueJobOperator:
    return KubernetesStartKueueJobOperator(task_id="t", image="busybox", queue_name="q", **given)


def _delete(**given: Any) -> KubernetesDeleteJobOperator:
    return KubernetesDeleteJobOperator(task_id="t", name="a", **given)


def test_installing_kueue_is_refused_in_a_sentence() -> None:
    with pytest.raises(NotImplementedError, match="Install it once with helm"):
        KubernetesInstallKueueOperator(task_id="t", kueue_version="v0.9.1")


def test_parameters_without_effect_are_said() -> None:
    operator = _job(job_poll_interval=1, discover_pods_retry_number=3, poll_interval=2)
    assert set(operator.without_effect) == {
        "job_poll_interval",
        "discover_pods_retry_number",
        "poll_interval",
    }


def test_an_object_gets_a_name_a_place_and_an_owner() -> None:
    body = {"apiVersion": "a/v1", "kind": "Thing", "metadata": {"namespace": "n"}, "status": {}}
    given: dict[str, Any] = {"identity": IDENTITY, "default_namespace": "d", "name": None}
    made = object_manifest(body, namespace=None, default_name="task", **given)
    assert made["metadata"]["namespace"] == "n"
    assert made["metadata"]["name"].startswith("task-")
    assert made["metadata"]["labels"]["dag_id"] == "d"
    assert "status" not in made
    assert body["metadata"] == {"namespace": "n"}, "the DAG's own object is not touched"
    assert (
        object_manifest(body, namespace="p", default_name="t", unique=False, **given)["metadata"][
            "name"
        ]
        == "t"
    )


def test_one_object_is_read_of_a_text() -> None:
    assert read_object("---\nkind: A\n---\n") == {"kind": "A"}
    with pytest.raises(InvalidManifest, match="must hold one object"):
        read_object("")


def test_the_spark_application_takes_image_and_code() -> None:
    template = {"spark": {"kind": "SparkApplication", "spec": {"image": "a"}}}
    operator = SparkKubernetesOperator(
        task_id="t", template_spec=template, image="b", code_path="c.py"
    )
    assert operator._object()["spec"] == {"image": "b", "mainApplicationFile": "c.py"}
