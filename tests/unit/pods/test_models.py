"""Model objects for users' code, and back."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from podlift.pods.models import to_model
from podlift.pods.plain import to_manifest

POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "p", "labels": {"a": "b"}, "creationTimestamp": "2026-01-01T00:00:00Z"},
    "spec": {
        "containers": [
            {
                "name": "base",
                "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
                "resources": {"limits": {"cpu": "1"}},
                "livenessProbe": {"httpGet": {"path": "/", "port": 80}},
            }
        ],
        "volumes": [{"name": "v", "emptyDir": {}}],
    },
}


@pytest.mark.parametrize("package", ["kubernetes", "kubernetes_asyncio"])
def test_there_and_back_nothing_is_lost(package: str) -> None:
    client = importlib.import_module(f"{package}.client")
    model = to_model(POD, "V1Pod", client)
    assert isinstance(model, client.V1Pod)
    assert model.spec.containers[0].env[0].value_from.secret_key_ref.key == "k"
    assert to_manifest(model) == POD


def test_what_the_server_would_fill_in_need_not_be_there() -> None:
    client = importlib.import_module("kubernetes_asyncio.client")
    assert to_model({"containers": None}, "V1PodSpec", client).containers is None
