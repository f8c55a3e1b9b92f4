"""Variables, references to them, and where their values come from."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from podlift.local.kubelet.environment import (
    ConfigError,
    Surroundings,
    command_line,
    environment,
    expand,
    field_value,
)

Obj = dict[str, Any]

POD: Obj = {
    "metadata": {
        "name": "p",
        "namespace": "n",
        "uid": "u",
        "labels": {"b": 'say "x"', "a": "1"},
        "annotations": {"example.com/note": "two\nlines"},
    },
    "spec": {
        "nodeName": "node",
        "serviceAccountName": "robot",
        "containers": [{"name": "base", "resources": {"limits": {"cpu": "1500m"}}}],
    },
}


def around(**objects: Obj) -> Surroundings:
    return Surroundings(
        objects.get("secrets", {}).get,
        objects.get("config_maps", {}).get,
        {"memory": "2Gi"},
        ("127.0.0.1", 6443),
        {"PATH": "/bin"},
    )


def env(
    *entries: Obj, surroundings: Surroundings | None = None, **container: Any
) -> dict[str, str]:
    spec = {**POD["spec"]["containers"][0], "env": list(entries), **container}
    return environment(POD, spec, surroundings or around())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$(A)", "1"),
        ("x$(A)y$(A)", "x1y1"),
        ("$(B)", "$(B)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$A ${A} $", "$A ${A} $"),
        ("$(A", "$(A"),
        ("$()", "$()"),
    ],
)
def test_references(text: str, expected: str) -> None:
    assert expand(text, {"A": "1"}) == expected


def test_a_variable_sees_only_those_above_it() -> None:
    found = env(
        {"name": "A", "value": "$(B)$(KUBERNETES_SERVICE_PORT)"}, {"name": "B", "value": "$(A)"}
    )
    assert (found["A"], found["B"]) == ("$(B)6443", "$(B)6443")


def test_container_inherits_little_and_knows_its_name() -> None:
    assert env() == {
        "PATH": "/bin",
        "HOSTNAME": "p",
        "KUBERNETES_SERVICE_HOST": "127.0.0.1",
        "KUBERNETES_SERVICE_PORT": "6443",
        "KUBERNETES_SERVICE_PORT_HTTPS": "6443",
    }


def test_command_and_arguments_are_expanded() -> None:
    assert command_line({"command": ["a", "$(X)"], "args": ["$(Y)"]}, {"X": "1"}) == [
        "a",
        "1",
        "$(Y)",
    ]


def test_values_of_objects() -> None:
    objects = around(
        secrets={"s": {"data": {"k": base64.b64encode(b"v").decode()}}},
        config_maps={"c": {"data": {"x": "1", "y": "2"}}},
    )
    found = env(
        {"name": "K", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
        {"name": "NO", "valueFrom": {"secretKeyRef": {"name": "z", "key": "k", "optional": True}}},
        surroundings=objects,
        envFrom=[{"prefix": "C_", "configMapRef": {"name": "c"}}],
    )
    assert (found["K"], found["C_x"], found["C_y"]) == ("v", "1", "2")
    assert "NO" not in found


@pytest.mark.parametrize(
    ("origin", "message"),
    [
        ({"secretKeyRef": {"name": "nope", "key": "k"}}, 'secret "nope" not found'),
        ({"configMapKeyRef": {"name": "nope", "key": "k"}}, 'configmap "nope" not found'),
        ({"configMapKeyRef": {"name": "c", "key": "k"}}, "couldn't find key k in ConfigMap n/c"),
    ],
)
def test_what_is_missing_is_named(origin: Obj, message: str) -> None:
    objects = around(config_maps={"c": {"data": {}}})
    with pytest.raises(ConfigError) as raised:
        env({"name": "A", "valueFrom": origin}, surroundings=objects)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("metadata.name", "p"),
        ("metadata.labels['a']", "1"),
        ("metadata.labels", 'a="1"\nb="say \\"x\\""'),
        ("metadata.annotations['example.com/note']", "two\nlines"),
        ("spec.serviceAccountName", "robot"),
        ("status.podIP", "127.0.0.1"),
    ],
)
def test_fields(path: str, expected: str) -> None:
    assert field_value(POD, path) == expected


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ({"resource": "limits.cpu"}, "2"),
        ({"resource": "limits.cpu", "divisor": "1m"}, "1500"),
        ({"resource": "limits.memory", "divisor": "1Mi"}, "2048"),
        ({"resource": "requests.cpu", "containerName": "base"}, "0"),
    ],
)
def test_resources(reference: Obj, expected: str) -> None:
    assert env({"name": "R", "valueFrom": {"resourceFieldRef": reference}})["R"] == expected
