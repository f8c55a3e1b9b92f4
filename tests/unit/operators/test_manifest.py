"""The pod that an operator's parameters describe."""

from __future__ import annotations

from typing import Any

import pytest
from kubernetes import client

from podlift.operators.manifest import env_entries, operator_manifest
from podlift.pods.errors import InvalidManifest
from podlift.pods.labels import Identity, identity_of
from podlift.pods.plain import Manifest
from podlift.pods.reading import read_pod

IDENTITY = Identity(dag_id="d", task_id="t", run_id="r", ti_id="u", try_number=2)


def manifest(**parameters: Any) -> Manifest:
    given: dict[str, Any] = {
        "name": "test",
        "namespace": "default",
        "identity": IDENTITY,
        "image": "ubuntu:16.04",
    }
    return operator_manifest(**given | parameters)


def test_the_example_of_the_documentation() -> None:
    pod = manifest(cmds=["bash", "-cx"], arguments=["echo", "10"], labels={"foo": "bar"})
    assert pod["spec"] == {
        "restartPolicy": "Never",
        "containers": [
            {
                "name": "base",
                "image": "ubuntu:16.04",
                "command": ["bash", "-cx"],
                "args": ["echo", "10"],
            }
        ],
    }
    assert pod["metadata"]["labels"]["foo"] == "bar"
    assert pod["metadata"]["name"].startswith("test-")
    assert pod["metadata"]["name"].endswith("-2")
    assert identity_of(read_pod(pod)) == IDENTITY


def test_the_same_try_has_the_same_pod_and_another_try_another() -> None:
    other = Identity(dag_id="d", task_id="t", run_id="r", ti_id="v", try_number=2)
    assert manifest()["metadata"]["name"] == manifest()["metadata"]["name"]
    assert manifest()["metadata"]["name"] != manifest(identity=other)["metadata"]["name"]


def test_podlifts_labels_win() -> None:
    labels = manifest(labels={"dag_id": "mine"})["metadata"]["labels"]
    assert labels["dag_id"] == "d"
    assert labels["app.kubernetes.io/component"] == "operator"


def test_variables_come_as_a_mapping_or_as_entries() -> None:
    expected = [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]
    assert env_entries({"A": "1", "B": 2}) == expected
    entries = [client.V1EnvVar(name="A", value="1"), {"name": "B", "value": "2"}]
    assert env_entries(entries) == expected


@pytest.mark.parametrize(
    ("parameters", "path"),
    [
        ({"image": ""}, "spec.containers[0].image"),
        ({"cmds": "echo"}, "cmds"),
        ({"arguments": ["a", None]}, "arguments[1]"),
        ({"env_vars": {"A": None}}, "env_vars.A"),
        ({"env_vars": {"A": True}}, "env_vars.A"),
        ({"env_vars": [{"value": "1"}]}, "env_vars[0].name"),
        ({"env_vars": "A=1"}, "env_vars"),
    ],
)
def test_parameters_that_make_no_pod_are_refused(parameters: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidManifest) as refusal:
        manifest(**parameters)
    assert refusal.value.path == path
