"""Putting a task's pod together."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kubernetes import client

from podlift.pods.building import BuiltPod, Groundwork, lay_ground
from podlift.pods.errors import InvalidManifest
from podlift.pods.labels import Identity, identity_of
from podlift.pods.merging import copied
from podlift.pods.plain import Manifest
from podlift.pods.reading import read_pod

IDENTITY = Identity(dag_id="d", task_id="t", run_id="r", ti_id="u", executor="me")


def build(**options: Any) -> BuiltPod:
    given: dict[str, Any] = {"namespace": "ns", "image": "airflow:3"}
    override = options.pop("pod_override", None)
    return lay_ground(**given | options).build("n", IDENTITY, override)


def base(pod: BuiltPod) -> Manifest:
    containers = pod.manifest["spec"]["containers"]
    found: Manifest = next(each for each in containers if each["name"] == "base")
    return found


def containers(*elements: Manifest) -> Manifest:
    return {"spec": {"containers": list(elements)}}


def test_a_pod_needs_no_template() -> None:
    pod = build(args=["python", "-m", "podlift.worker"], env=[{"name": "W", "value": "x"}])
    assert pod.manifest["spec"] == {
        "restartPolicy": "Never",
        "containers": [
            {
                "name": "base",
                "image": "airflow:3",
                "args": ["python", "-m", "podlift.worker"],
                "env": [{"name": "W", "value": "x"}],
            }
        ],
    }
    assert (pod.name, pod.namespace, pod.notes) == ("n", "ns", ())
    assert identity_of(read_pod(pod.manifest)) == IDENTITY


def test_each_layer_is_laid_over_the_former() -> None:
    template = containers({"name": "base", "image": "template", "tty": True})
    assert base(build(template=template, image=None))["image"] == "template"
    assert base(build(template=template))["image"] == "airflow:3"
    override = containers({"name": "base", "image": "override"})
    pod = build(template=template, pod_override=override)
    assert (base(pod)["image"], base(pod)["tty"]) == ("override", True)


def test_what_podlift_needs_cannot_be_overridden() -> None:
    override = {
        "metadata": {"name": "mine", "labels": {"dag_id": "other", "team": "a"}},
        **containers({"name": "base", "args": ["x"], "env": [{"name": "W", "value": "mine"}]}),
    }
    pod = build(pod_override=override, args=["worker"], env=[{"name": "W", "value": "ours"}])
    assert pod.name == "n"
    assert pod.manifest["metadata"]["labels"]["dag_id"] == "d"
    assert pod.manifest["metadata"]["labels"]["team"] == "a"
    assert base(pod)["args"] == ["worker"]
    assert base(pod)["env"] == [{"name": "W", "value": "ours"}]
    assert "Podlift names the pods" in pod.notes[0]


def test_a_template_may_choose_the_namespace_and_wrap_the_command() -> None:
    template = {
        "metadata": {"namespace": "other"},
        **containers({"name": "base", "command": ["tini", "--"]}),
    }
    pod = build(template=template, command=["python"])
    assert pod.namespace == "other"
    assert base(pod)["command"] == ["tini", "--"]
    assert base(build(command=["python"]))["command"] == ["python"]


def test_an_override_without_containers_is_fine() -> None:
    pod = build(pod_override={"spec": {"nodeSelector": {"disk": "ssd"}}})
    assert pod.manifest["spec"]["nodeSelector"] == {"disk": "ssd"}
    assert base(pod)["image"] == "airflow:3"


def test_model_objects_are_taken_as_they_are() -> None:
    override = client.V1Pod(
        spec=client.V1PodSpec(
            containers=[
                client.V1Container(
                    name="base", resources=client.V1ResourceRequirements(limits={"memory": "1Gi"})
                )
            ]
        )
    )
    assert base(build(pod_override=override))["resources"] == {"limits": {"memory": "1Gi"}}


def test_the_first_container_stands_for_a_base_that_is_missing() -> None:
    template = containers({"name": "worker", "image": "w"}, {"name": "git", "image": "g"})
    pod = build(template=template, image=None)
    assert base(pod)["image"] == "w"
    assert "its first one, 'worker', is taken for it" in pod.notes[0]
    overridden = build(pod_override=containers({"name": "main", "tty": True}))
    assert base(overridden)["tty"] is True
    assert len(overridden.manifest["spec"]["containers"]) == 1


def test_an_override_may_mean_a_sidecar_of_the_template() -> None:
    template = containers({"name": "base"}, {"name": "git", "image": "g"})
    pod = build(template=template, pod_override=containers({"name": "git", "image": "h"}))
    assert [each["image"] for each in pod.manifest["spec"]["containers"]] == ["airflow:3", "h"]
    assert pod.notes == ()


def test_an_override_can_take_something_away() -> None:
    template = {"spec": {"nodeSelector": {"a": "b"}, **containers({"name": "base"})["spec"]}}
    pod = build(template=template, pod_override={"spec": {"nodeSelector": None}})
    assert "nodeSelector" not in pod.manifest["spec"]


def test_the_inputs_stay_untouched() -> None:
    template = containers({"name": "worker", "image": "w"})
    build(template=template, pod_override=template)
    assert template == containers({"name": "worker", "image": "w"})


TEMPLATE = {
    "metadata": {"labels": {"team": "a"}, "annotations": {"x": "y"}},
    "spec": {
        "nodeSelector": {"a": "b"},
        "volumes": [{"name": "v", "emptyDir": {}}],
        "containers": [
            {
                "name": "base",
                "env": [{"name": "A", "value": "1"}],
                "volumeMounts": [{"name": "v", "mountPath": "/v"}],
            },
            {"name": "side", "image": "s"},
        ],
    },
}
OVERRIDES: list[Manifest | None] = [
    None,
    {},
    {"metadata": {"namespace": "other", "labels": {"team": None}}},
    {"spec": {"nodeSelector": {"$patch": "replace", "c": "d"}}},
    containers({"name": "base", "image": "own", "command": ["x"], "env": [{"name": "A"}]}),
    containers({"name": "side", "$patch": "delete"}, {"name": "main", "image": "m"}),
    {"spec": {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}},
]


def destroy(value: Any) -> None:
    """Change everything in it that can be changed."""
    for each in list(value.values() if isinstance(value, dict) else value):
        if isinstance(each, dict | list):
            destroy(each)
    value.clear()


@given(st.lists(st.sampled_from(OVERRIDES), min_size=1, max_size=6))
def test_pods_of_one_template_know_nothing_of_each_other(overrides: list[Manifest | None]) -> None:
    def ground() -> Groundwork:
        env = [{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]
        return lay_ground(
            namespace="ns", template=TEMPLATE, image="airflow:3", command=["w"], env=env
        )

    before = copied(OVERRIDES)
    shared, variable = ground(), {"name": "OWN", "value": "x"}
    for override in overrides:
        alone = ground().build("n", IDENTITY, override, [variable])
        pod = shared.build("n", IDENTITY, override, [variable])
        assert pod == alone
        destroy(pod.manifest)
    assert before == OVERRIDES
    assert variable == {"name": "OWN", "value": "x"}


@pytest.mark.parametrize(
    ("manifest", "path"),
    [
        ({"kind": "Deployment"}, "kind"),
        ({"apiVersion": "apps/v1"}, "apiVersion"),
        ({"spec": ["x"]}, "spec"),
        ({"spec": {"containers": {"name": "base"}}}, "spec.containers"),
        ({"spec": {"containers": ["base"]}}, "spec.containers[0]"),
        (containers({"image": "x"}), "spec.containers[0].name"),
        (containers({"name": "a"}, {"name": "a"}), "spec.containers[1].name"),
        ({"spec": {"volumes": [{"name": "v"}, {"name": "v"}]}}, "spec.volumes[1].name"),
        ({"spec": {"node_selector": {}}}, "spec.node_selector"),
        (containers({"name": "base", "volume_mounts": []}), "spec.containers[0].volume_mounts"),
        (
            containers({"name": "base", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}),
            "spec.containers[0].volumeMounts[0].name",
        ),
        ({"spec": {"restartPolicy": "OnFailure"}}, "spec.restartPolicy"),
        (containers({"name": "base"}, {"name": "side"}), "spec.containers[1].image"),
    ],
)
def test_what_no_pod_can_be_made_from_is_refused(manifest: Manifest, path: str) -> None:
    with pytest.raises(InvalidManifest) as refusal:
        build(pod_override=manifest)
    assert refusal.value.path == path


def test_a_container_may_not_share_its_name_with_an_init_container() -> None:
    spec = {"initContainers": [{"name": "a"}], "containers": [{"name": "a"}]}
    with pytest.raises(InvalidManifest, match="is the name of"):
        build(template={"spec": spec})


def test_the_right_spelling_is_told() -> None:
    with pytest.raises(InvalidManifest, match="'nodeSelector'"):
        build(template={"spec": {"node_selector": {}}})


def test_a_pod_without_an_image_is_refused() -> None:
    with pytest.raises(InvalidManifest, match="has no image"):
        build(image=None)
