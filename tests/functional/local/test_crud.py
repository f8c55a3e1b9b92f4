"""Objects are made, read, changed and removed."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytestmark = pytest.mark.functional


def pod(name: str, **spec: Any) -> dict[str, Any]:
    """A pod that waits, so that nothing runs."""
    container = {"name": "base", "image": "busybox:1.36", "command": ["true"]}
    gates = [{"name": "example.com/hold"}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": [container], "schedulingGates": gates, **spec},
    }


def test_a_pod_can_be_created_read_listed_and_deleted(cluster: Any, namespace: str) -> None:
    base = f"/api/v1/namespaces/{namespace}/pods"
    status, made = cluster.request("POST", base, pod("one"))
    assert status == 201
    assert cluster.request("GET", f"{base}/one") == (200, made)
    status, listing = cluster.request("GET", base)
    assert [item["metadata"]["name"] for item in listing["items"]] == ["one"]
    status, gone = cluster.request("DELETE", f"{base}/one")
    assert (status, gone["metadata"]["name"]) == (200, "one")
    assert cluster.request("GET", f"{base}/one")[0] == 404


def test_a_watch_tells_what_happened_since_a_version(cluster: Any, namespace: str) -> None:
    base = f"/api/v1/namespaces/{namespace}/pods"
    version = cluster.request("GET", base)[1]["metadata"]["resourceVersion"]
    cluster.request("POST", base, pod("one"))
    cluster.request("DELETE", f"{base}/one")
    status, text = cluster.request(
        "GET", f"{base}?watch=1&resourceVersion={version}&timeoutSeconds=1"
    )
    events = [json.loads(line) for line in text.splitlines()]
    assert status == 200
    assert [event["type"] for event in events] == ["ADDED", "MODIFIED", "DELETED"]
