"""Users' objects made plain."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from kubernetes import client
from kubernetes_asyncio import client as async_client

from podlift.pods.errors import InvalidManifest
from podlift.pods.plain import to_manifest


@pytest.mark.parametrize("models", [client, async_client])
def test_model_objects_of_both_clients_become_what_they_send(models: Any) -> None:
    pod = models.V1Pod(
        metadata=models.V1ObjectMeta(name="p", labels={"a": "b"}),
        spec=models.V1PodSpec(
            containers=[
                models.V1Container(
                    name="base",
                    env=[models.V1EnvVar(name="A", value="1")],
                    volume_mounts=[models.V1VolumeMount(name="v", mount_path="/v")],
                )
            ],
            node_selector={"disk_type": "ssd"},
        ),
    )
    assert to_manifest(pod) == {
        "metadata": {"name": "p", "labels": {"a": "b"}},
        "spec": {
            "containers": [
                {
                    "name": "base",
                    "env": [{"name": "A", "value": "1"}],
                    "volumeMounts": [{"name": "v", "mountPath": "/v"}],
                }
            ],
            "nodeSelector": {"disk_type": "ssd"},
        },
    }


def test_models_inside_a_dict_are_found() -> None:
    toleration = client.V1Toleration(key="spot")
    assert to_manifest({"tolerations": (toleration,)}) == {"tolerations": [{"key": "spot"}]}


def test_nulls_are_dropped_unless_an_override_means_them() -> None:
    given = {"a": None, "b": {"c": None, "d": 1}}
    assert to_manifest(given) == {"b": {"d": 1}}
    assert to_manifest(given, keep_nulls=True) == given
    assert to_manifest({"m": client.V1EnvVar(name="A")}, keep_nulls=True) == {"m": {"name": "A"}}


def test_times_are_written_as_the_api_writes_them() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=2)))
    assert to_manifest({"at": moment}) == {"at": "2026-01-02T01:04:05Z"}
    assert to_manifest({"at": datetime(2026, 1, 2, tzinfo=UTC)}) == {"at": "2026-01-02T00:00:00Z"}


def test_nothing_of_the_input_is_shared() -> None:
    labels = {"a": "b"}
    plain = to_manifest({"labels": labels})
    plain["labels"]["a"] = "changed"
    assert labels == {"a": "b"}


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"spec": {"containers": [{"x": {1, 2}}]}}, "spec.containers[0].x"),
        ({"labels": {1: "a"}}, "labels"),
        ({"data": b"x"}, "data"),
        (["a"], ""),
    ],
)
def test_what_json_cannot_hold_is_refused_with_its_path(value: object, path: str) -> None:
    with pytest.raises(InvalidManifest) as refusal:
        to_manifest(value)
    assert refusal.value.path == path
