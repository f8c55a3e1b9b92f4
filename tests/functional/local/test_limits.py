"""What is too large, too old or too far behind."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytestmark = pytest.mark.functional


def big(size: int) -> dict[str, Any]:
    """A pod with an annotation of some size."""
    container = {"name": "base", "image": "b"}
    meta = {"name": "big", "annotations": {"a": "x" * size}}
    return {"metadata": meta, "spec": {"containers": [container]}}


@pytest.mark.since_minor(36, "compares a sentence as it is recorded from 1.36")
def test_annotations_over_the_limit_are_invalid(cluster: Any, namespace: str) -> None:
    status, body = cluster.request("POST", f"/api/v1/namespaces/{namespace}/pods", big(300_000))
    assert (status, body["reason"]) == (422, "Invalid")
    assert body["message"] == (
        'Pod "big" is invalid: metadata.annotations: Too long: may not be more than 262144 bytes'
    )


def test_an_object_over_the_limit_is_refused_by_the_store(cluster: Any, namespace: str) -> None:
    container = {"name": "base", "image": "b", "args": ["x" * 2_000_000]}
    data = {"metadata": {"name": "big"}, "spec": {"containers": [container]}}
    status, body = cluster.request("POST", f"/api/v1/namespaces/{namespace}/pods", data)
    assert (status, body["message"]) == (500, "etcdserver: request is too large")


@pytest.mark.since_minor(36, "compares a sentence as it is recorded from 1.36")
def test_data_over_the_limit_is_invalid(cluster: Any, namespace: str) -> None:
    base, data = f"/api/v1/namespaces/{namespace}", {"a": "x" * 1_048_577}
    body = {"metadata": {"name": "big"}}
    status, answer = cluster.request("POST", f"{base}/configmaps", {**body, "data": data})
    assert (status, answer["message"]) == (
        422,
        'ConfigMap "big" is invalid: []: Too long: may not be more than 1048576 bytes',
    )
    status, answer = cluster.request("POST", f"{base}/secrets", {**body, "stringData": data})
    assert (status, answer["message"]) == (
        422,
        'Secret "big" is invalid: data: Too long: may not be more than 1048576 bytes',
    )


@pytest.mark.local_only("a real server may hang up while the request is still being sent")
def test_a_request_over_the_limit_is_refused(cluster: Any, namespace: str) -> None:
    data = {"metadata": {"name": "big"}, "data": {"a": "x" * 4_000_000}}
    status, body = cluster.request("POST", f"/api/v1/namespaces/{namespace}/configmaps", data)
    assert (status, body["message"]) == (413, "Request entity too large: limit is 3145728")


@pytest.mark.local_only("a fresh real API server still has its whole history")
def test_history_is_bounded_and_a_watch_beyond_it_is_told(cluster: Any, namespace: str) -> None:
    base = f"/api/v1/namespaces/{namespace}/leases".replace(
        "/api/v1", "/apis/coordination.k8s.io/v1"
    )
    made = cluster.request("POST", base, {"metadata": {"name": "l"}})[1]
    version = made["metadata"]["resourceVersion"]
    text = cluster.request("GET", f"{base}?watch=1&resourceVersion=1&timeoutSeconds=1")[1]
    assert (text["type"], text["object"]["code"]) == ("ERROR", 410)
    quiet = cluster.request("GET", f"{base}?watch=1&resourceVersion={version}&timeoutSeconds=1")
    assert quiet == (200, "")


def test_a_watch_with_a_selector_sees_objects_enter_and_leave(cluster: Any, namespace: str) -> None:
    base = f"/api/v1/namespaces/{namespace}/configmaps"
    made = cluster.request("POST", base, {"metadata": {"name": "c", "labels": {"a": "1"}}})[1]
    version = made["metadata"]["resourceVersion"]
    for value in ("2", "1"):
        patch = {"metadata": {"labels": {"a": value}}}
        media = "application/merge-patch+json"
        cluster.request("PATCH", f"{base}/c", patch, Content_Type=media)
    text = cluster.request(
        "GET", f"{base}?watch=1&labelSelector=a%3D1&resourceVersion={version}&timeoutSeconds=1"
    )[1]
    assert [json.loads(line)["type"] for line in text.splitlines()] == ["DELETED", "ADDED"]
