"""What the cluster does by itself: schedule, run jobs, count quota, collect garbage."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.functional


def pod(name: str, script: str = "true", **spec: Any) -> dict[str, Any]:
    """A pod that runs a shell script."""
    container = {"name": "base", "image": "busybox:1.36", "command": ["sh", "-c", script]}
    spec = {"restartPolicy": "Never", "containers": [container], **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def asking(name: str, cpu: str) -> dict[str, Any]:
    """A pod that asks for processors."""
    manifest = pod(name)
    manifest["spec"]["containers"][0]["resources"] = {"requests": {"cpu": cpu}}
    return manifest


def until(cluster: Any, path: str, condition: Callable[[int, Any], Any]) -> Any:
    """Wait until a GET answers as it should; returns the body."""
    end = time.monotonic() + 60
    while True:
        status, body = cluster.request("GET", path)
        if condition(status, body):
            return body
        assert time.monotonic() < end, body
        time.sleep(0.03)


def test_a_pod_that_does_not_fit_says_why_and_waits(cluster: Any, namespace: str) -> None:
    base = f"/api/v1/namespaces/{namespace}"
    cluster.request("POST", f"{base}/pods", asking("big", "5000"))
    body = until(cluster, f"{base}/pods/big", lambda _, body: body["status"].get("conditions"))
    condition = body["status"]["conditions"][0]
    assert (condition["type"], condition["status"]) == ("PodScheduled", "False")
    assert condition["reason"] == "Unschedulable"
    assert re.match(r"0/\d+ nodes are available: .*\d+ Insufficient cpu", condition["message"])
    selected = f"{base}/events?fieldSelector=involvedObject.name=big"
    events = until(cluster, selected, lambda _, body: body["items"])["items"]
    told = {(one["reason"], one["message"]) for one in events}
    assert told == {("FailedScheduling", condition["message"])}
    status, gone = cluster.request("DELETE", f"{base}/pods/big")
    assert (status, gone["metadata"]["deletionGracePeriodSeconds"]) == (200, 0)
    assert cluster.request("GET", f"{base}/pods/big")[0] == 404


def test_a_pod_is_held_by_a_selector_that_no_node_meets(cluster: Any, namespace: str) -> None:
    base = f"/api/v1/namespaces/{namespace}/pods"
    cluster.request("POST", base, pod("picky", nodeSelector={"disk": "fast"}))
    body = until(cluster, f"{base}/picky", lambda _, body: body["status"].get("conditions"))
    assert "didn't match Pod's node affinity/selector" in body["status"]["conditions"][0]["message"]


@pytest.mark.local_only("counts on a node that nothing else runs on")
def test_a_waiting_pod_starts_when_there_is_room(cluster: Any, namespace: str) -> None:
    base = f"/api/v1/namespaces/{namespace}/pods"
    cpus = int(
        cluster.request("GET", "/api/v1/nodes/podlift-local")[1]["status"]["allocatable"]["cpu"]
    )
    first = asking("first", str(cpus))
    first["spec"]["containers"][0]["command"] = ["sleep", "60"]
    cluster.request("POST", base, first)
    until(cluster, f"{base}/first", lambda _, body: body["spec"].get("nodeName"))
    cluster.request("POST", base, asking("second", "1"))
    until(cluster, f"{base}/second", lambda _, body: body["status"].get("conditions"))
    cluster.request("DELETE", f"{base}/first?gracePeriodSeconds=0")
    until(cluster, f"{base}/second", lambda _, body: body["status"]["phase"] == "Succeeded")


def test_a_gated_pod_starts_when_its_gate_is_removed(cluster: Any, namespace: str) -> None:
    base = f"/api/v1/namespaces/{namespace}/pods"
    cluster.request("POST", base, pod("gated", schedulingGates=[{"name": "example.com/hold"}]))
    cluster.request(
        "PATCH",
        f"{base}/gated",
        {"spec": {"schedulingGates": None}},
        Content_Type="application/merge-patch+json",
    )
    until(cluster, f"{base}/gated", lambda _, body: body["status"]["phase"] == "Succeeded")


def job(name: str, script: str, **spec: Any) -> dict[str, Any]:
    """A job of a shell script."""
    template = {"spec": pod("x", script)["spec"]}
    return {"metadata": {"name": name}, "spec": {"template": template, **spec}}


@pytest.mark.since_minor(31, "a job's end is told by two conditions")
def test_a_job_runs_until_enough_pods_have_succeeded(cluster: Any, namespace: str) -> None:
    base = f"/apis/batch/v1/namespaces/{namespace}/jobs"
    assert cluster.request("POST", base, job("j", "exit 0", completions=3, parallelism=2))[0] == 201
    body = until(cluster, f"{base}/j", lambda _, body: body["status"].get("completionTime"))
    assert body["status"]["succeeded"] == 3
    types = [one["type"] for one in body["status"]["conditions"]]
    assert types == ["SuccessCriteriaMet", "Complete"]


@pytest.mark.since_minor(31, "a job's end is told by two conditions")
def test_a_job_fails_when_its_pods_have_failed_too_often(cluster: Any, namespace: str) -> None:
    base = f"/apis/batch/v1/namespaces/{namespace}/jobs"
    cluster.request("POST", base, job("j", "exit 1", backoffLimit=0))
    body = until(
        cluster, f"{base}/j", lambda _, body: len(body["status"].get("conditions", ())) > 1
    )
    last = body["status"]["conditions"][-1]
    assert (last["type"], last["reason"]) == ("Failed", "BackoffLimitExceeded")
    assert body["status"]["failed"] == 1


def test_an_indexed_job_tells_each_pod_its_index(cluster: Any, namespace: str) -> None:
    base = f"/apis/batch/v1/namespaces/{namespace}/jobs"
    made = job("j", "echo $JOB_COMPLETION_INDEX", completions=2, parallelism=2)
    made["spec"]["completionMode"] = "Indexed"
    cluster.request("POST", base, made)
    body = until(cluster, f"{base}/j", lambda _, body: body["status"].get("completionTime"))
    assert body["status"]["completedIndexes"] == "0,1"


def test_a_job_past_its_deadline_fails_and_ends_its_pods(cluster: Any, namespace: str) -> None:
    base = f"/apis/batch/v1/namespaces/{namespace}/jobs"
    made = job("j", "sleep 60", activeDeadlineSeconds=1)
    made["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 1
    cluster.request("POST", base, made)
    body = until(cluster, f"{base}/j", lambda _, body: body["status"].get("conditions"))
    assert body["status"]["conditions"][-1]["reason"] == "DeadlineExceeded"
    pods = f"/api/v1/namespaces/{namespace}/pods"
    until(cluster, pods, lambda _, body: not body["items"])


def test_a_finished_job_goes_after_its_time_with_its_pods(cluster: Any, namespace: str) -> None:
    base = f"/apis/batch/v1/namespaces/{namespace}/jobs"
    cluster.request("POST", base, job("j", "true", ttlSecondsAfterFinished=1))
    until(cluster, f"{base}/j", lambda status, _: status == 404)
    until(cluster, f"/api/v1/namespaces/{namespace}/pods", lambda _, body: not body["items"])


def test_what_an_object_owns_goes_with_it(cluster: Any, namespace: str) -> None:
    base = f"/api/v1/namespaces/{namespace}/configmaps"
    owner = cluster.request("POST", base, {"metadata": {"name": "owner"}})[1]
    reference = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": "owner",
        "uid": owner["metadata"]["uid"],
    }
    owned = {"metadata": {"name": "owned", "ownerReferences": [reference]}}
    assert cluster.request("POST", base, owned)[0] == 201
    cluster.request("DELETE", f"{base}/owner")
    until(cluster, f"{base}/owned", lambda status, _: status == 404)


def test_what_is_orphaned_stays(cluster: Any, namespace: str) -> None:
    base = f"/api/v1/namespaces/{namespace}/configmaps"
    uid = cluster.request("POST", base, {"metadata": {"name": "owner"}})[1]["metadata"]["uid"]
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid}
    owned = {"metadata": {"name": "owned", "ownerReferences": [reference]}}
    cluster.request("POST", base, owned)
    cluster.request("DELETE", f"{base}/owner", {"propagationPolicy": "Orphan"})
    until(cluster, f"{base}/owner", lambda status, _: status == 404)
    status, body = cluster.request("GET", f"{base}/owned")
    assert (status, body["metadata"].get("ownerReferences")) == (200, None)


def test_a_quota_counts_and_frees(cluster: Any, namespace: str) -> None:
    base = f"/api/v1/namespaces/{namespace}"
    quota = {"metadata": {"name": "q"}, "spec": {"hard": {"pods": "1"}}}
    cluster.request("POST", f"{base}/resourcequotas", quota)
    assert cluster.request("POST", f"{base}/pods", pod("one"))[0] == 201
    until(cluster, f"{base}/pods/one", lambda _, body: body["status"]["phase"] == "Succeeded")
    held = pod("two", schedulingGates=[{"name": "a/b"}])
    assert cluster.request("POST", f"{base}/pods", held)[0] == 201
    status, body = cluster.request("POST", f"{base}/pods", pod("three"))
    assert (status, body["reason"]) == (403, "Forbidden")
    assert "exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1" in body["message"]
    until(
        cluster,
        f"{base}/resourcequotas/q",
        lambda _, body: body["status"].get("used") == {"pods": "1"},
    )


@pytest.mark.local_only("the real node has no storage class")
def test_a_pod_waits_for_the_claim_that_it_names(cluster: Any, namespace: str) -> None:
    base = f"/api/v1/namespaces/{namespace}"
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}
    cluster.request("POST", f"{base}/pods", pod("early", volumes=[volume]))
    body = until(cluster, f"{base}/pods/early", lambda _, body: body["status"].get("conditions"))
    assert 'persistentvolumeclaim "data" not found' in body["status"]["conditions"][0]["message"]
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    claim = {"metadata": {"name": "data"}, "spec": spec}
    assert cluster.request("POST", f"{base}/persistentvolumeclaims", claim)[0] == 201
    until(cluster, f"{base}/pods/early", lambda _, body: body["status"]["phase"] == "Succeeded")


@pytest.mark.local_only("the real node has no storage class")
def test_a_claim_is_bound_and_kept_while_it_is_used(cluster: Any, namespace: str) -> None:
    base = f"/api/v1/namespaces/{namespace}"
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    cluster.request(
        "POST", f"{base}/persistentvolumeclaims", {"metadata": {"name": "data"}, "spec": spec}
    )
    path = f"{base}/persistentvolumeclaims/data"
    until(cluster, path, lambda _, body: body["status"]["phase"] == "Bound")
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}
    held = pod("user", volumes=[volume], schedulingGates=[{"name": "a/b"}])
    cluster.request("POST", f"{base}/pods", held)
    cluster.request("DELETE", path)
    assert cluster.request("GET", path)[0] == 200
    cluster.request("DELETE", f"{base}/pods/user")
    until(cluster, path, lambda status, _: status == 404)


def test_a_namespace_goes_with_what_it_holds(cluster: Any, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}"
    cluster.request("POST", f"{path}/configmaps", {"metadata": {"name": "c"}})
    cluster.request("POST", f"{path}/pods", pod("p", schedulingGates=[{"name": "a/b"}]))
    assert cluster.request("DELETE", path)[1]["status"]["phase"] == "Terminating"
    until(cluster, path, lambda status, _: status == 404)
    assert cluster.request("GET", f"{path}/configmaps")[1]["items"] == []


def test_an_evicted_pod_says_so_before_it_goes(cluster: Any, namespace: str) -> None:
    base = f"/api/v1/namespaces/{namespace}/pods"
    cluster.request("POST", base, pod("one", "sleep 60", terminationGracePeriodSeconds=1))
    until(cluster, f"{base}/one", lambda _, body: body["status"]["phase"] == "Running")
    version = cluster.request("GET", base)[1]["metadata"]["resourceVersion"]
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "one"}}
    assert cluster.request("POST", f"{base}/one/eviction", eviction)[0] == 201
    until(cluster, f"{base}/one", lambda status, _: status == 404)
    text = cluster.request("GET", f"{base}?watch=1&resourceVersion={version}&timeoutSeconds=1")[1]
    events = [json.loads(line) for line in text.splitlines()]
    first = events[0]["object"]["status"]["conditions"]
    assert [one["reason"] for one in first if one["type"] == "DisruptionTarget"] == [
        "EvictionByEvictionAPI"
    ]
    assert events[1]["object"]["metadata"]["deletionGracePeriodSeconds"] == 1
    assert events[-1]["type"] == "DELETED"
