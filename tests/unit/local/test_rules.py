"""Quantities, fitting, quota, protobuf and paths."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podlift.local import errors, quantities
from podlift.local.api import protobuf
from podlift.local.api.requests import UnknownPath, accepted, target_of
from podlift.local.api.schema import check_fields
from podlift.local.api.words import duration, pod_status
from podlift.local.controllers.fitting import Node, explain, misfits
from podlift.local.controllers.job_status import free_indexes, missing
from podlift.local.controllers.quota import exceeded
from podlift.local.controllers.resources import pod_requests
from podlift.local.kinds import JOB, POD


@pytest.mark.parametrize(
    ("text", "value", "canonical"),
    [
        ("0.5", "0.5", "500m"),
        ("1000m", "1", "1"),
        ("1024Mi", str(2**30), "1Gi"),
        ("1.5Gi", str(3 * 2**29), "1536Mi"),
        ("1e3", "1000", "1k"),
        ("500", "500", "500"),
        ("0", "0", "0"),
    ],
)
def test_quantities(text: str, value: str, canonical: str) -> None:
    assert quantities.parse(text) == Decimal(value)
    assert quantities.canonical_text(text) == canonical


@pytest.mark.parametrize("text", ["", "lots", "1 Gi", "1.2.3", "1KiB", "."])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="quantities must match"):
        quantities.parse(text)


@given(st.integers(0, 10**15), st.sampled_from(["", "m", "k", "M", "Ki", "Mi", "Gi"]))
def test_the_canonical_form_means_the_same(number: int, suffix: str) -> None:
    text = f"{number}{suffix}"
    assert quantities.parse(quantities.canonical_text(text)) == quantities.parse(text)


def container(cpu: str, **more: Any) -> dict[str, Any]:
    """A container that asks for processors."""
    return {"name": "c", "resources": {"requests": {"cpu": cpu}}, **more}


def test_init_containers_need_no_room_beside_the_others_but_sidecars_do() -> None:
    spec = {
        "initContainers": [container("1", restartPolicy="Always"), container("4")],
        "containers": [container("2")],
    }
    assert pod_requests(spec) == {"cpu": Decimal(5)}
    spec["initContainers"][1] = container("1")
    assert pod_requests(spec) == {"cpu": Decimal(3)}


def node(**spec: Any) -> Node:
    """A node of two processors."""
    allocatable = {"cpu": "2", "pods": "2"}
    obj = {"metadata": {"name": "n", "labels": {"a": "1"}}, "spec": spec}
    return Node.of({**obj, "status": {"allocatable": allocatable}}, None)


def pod(cpu: str = "1", uid: str = "u", **spec: Any) -> dict[str, Any]:
    """A pod that asks for processors."""
    meta = {"name": "p", "uid": uid}
    return {"metadata": meta, "spec": {"containers": [container(cpu)], **spec}, "status": {}}


def test_a_pod_fits_until_the_node_is_full() -> None:
    there = node()
    assert misfits(pod(), there) == []
    there.see(pod(uid="1", nodeName="n"), gone=False)
    there.see(pod(uid="2", nodeName="n"), gone=False)
    assert misfits(pod(), there) == ["Insufficient cpu", "Too many pods"]
    there.see(pod(uid="1", nodeName="n"), gone=True)
    assert misfits(pod(), there) == []


def affinity(operator: str, *values: str) -> dict[str, Any]:
    """A required node affinity on label ``a``."""
    expression = {"key": "a", "operator": operator, "values": list(values)}
    terms = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}


@pytest.mark.parametrize(
    ("spec", "fits"),
    [
        ({"nodeSelector": {"a": "1"}}, True),
        ({"nodeSelector": {"a": "2"}}, False),
        ({"affinity": affinity("In", "1", "2")}, True),
        ({"affinity": affinity("NotIn", "1")}, False),
        ({"affinity": affinity("Gt", "0")}, True),
        ({"affinity": affinity("DoesNotExist")}, False),
    ],
)
def test_a_pod_goes_where_it_may(spec: dict[str, Any], fits: bool) -> None:
    assert (misfits(pod(**spec), node()) == []) is fits


def test_a_taint_keeps_away_whoever_does_not_tolerate_it() -> None:
    tainted = node(taints=[{"key": "k", "value": "v", "effect": "NoSchedule"}])
    assert misfits(pod(), tainted)
    tolerant = pod(tolerations=[{"key": "k", "operator": "Exists"}])
    assert misfits(tolerant, tainted) == []


def test_the_scheduler_counts_its_reasons() -> None:
    text = explain(["Insufficient cpu", "Insufficient cpu"], 2)
    assert text.startswith("0/2 nodes are available: 2 Insufficient cpu. ")


def test_a_quota_says_what_is_missing_and_what_is_over() -> None:
    quota = {"metadata": {"name": "q"}, "spec": {"hard": {"requests.cpu": "2", "pods": "5"}}}
    bare = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c"}]}}
    assert exceeded([quota], [], bare) == "failed quota: q: must specify requests.cpu for: c"
    assert exceeded([quota], [], pod("2")) == ""
    assert exceeded([quota], [pod("1500m")], pod("1")) == (
        "exceeded quota: q, requested: requests.cpu=1, used: requests.cpu=1500m, "
        "limited: requests.cpu=2"
    )


def test_finished_pods_are_not_counted() -> None:
    quota = {"metadata": {"name": "q"}, "spec": {"hard": {"pods": "1"}}}
    done = {**pod(), "status": {"phase": "Succeeded"}}
    assert exceeded([quota], [done], pod()) == ""
    assert exceeded([quota], [pod()], pod()) != ""


def test_a_job_starts_what_it_still_needs() -> None:
    spec = {"parallelism": 3, "completions": 4, "completionMode": "Indexed"}
    job = {"spec": spec, "status": {"succeeded": 2, "completedIndexes": "0,2"}}
    assert missing(job, active=1) == 1
    assert free_indexes(job, [1]) == [3]


@pytest.mark.parametrize(
    ("method", "path", "verb", "name", "subresource"),
    [
        ("GET", "/api/v1/namespaces/ns/pods", "list", None, ""),
        ("GET", "/api/v1/pods", "list", None, ""),
        ("GET", "/api/v1/namespaces/ns/pods/p/log", "get", "p", "log"),
        ("GET", "/api/v1/namespaces/ns", "get", "ns", ""),
        ("DELETE", "/api/v1/namespaces/ns/pods", "deletecollection", None, ""),
        ("PATCH", "/api/v1/namespaces/ns/pods/p/status", "patch", "p", "status"),
    ],
)
def test_paths(method: str, path: str, verb: str, name: str | None, subresource: str) -> None:
    target = target_of(method, path, {})
    assert (target.verb, target.name, target.subresource) == (verb, name, subresource)


@pytest.mark.parametrize("path", ["/api/v1/services", "/apis/x/v1/pods", "/nope", "/api/v1"])
def test_unknown_paths(path: str) -> None:
    with pytest.raises(UnknownPath):
        target_of("GET", path, {})


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/api/v1/namespaces/ns/pods"),
        ("POST", "/api/v1/pods"),
        ("DELETE", "/api/v1/namespaces"),
        ("GET", "/api/v1/namespaces/ns/pods/p/binding"),
    ],
)
def test_verbs_that_a_resource_lacks(method: str, path: str) -> None:
    with pytest.raises(errors.MethodNotAllowed):
        target_of(method, path, {})


def test_accept_prefers_what_comes_first() -> None:
    table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
    assert accepted(table).form == "Table"
    assert accepted("application/vnd.kubernetes.protobuf,application/json").form == ""


def test_unknown_fields_are_named_with_their_path_and_dropped() -> None:
    body = {"metadata": {"nope": 1}, "spec": {"containers": [{"name": "a", "x": 1}]}}
    assert check_fields(POD, body, "Warn") == [
        'unknown field "metadata.nope"',
        'unknown field "spec.containers[0].x"',
    ]
    assert body == {"metadata": {}, "spec": {"containers": [{"name": "a"}]}}


@pytest.mark.parametrize(
    ("spec", "what"),
    [
        ({"hostNetwork": "yes"}, "cannot unmarshal string into Go struct field"),
        ({"activeDeadlineSeconds": True}, "cannot unmarshal bool"),
        ({"containers": {}}, "cannot unmarshal object"),
    ],
)
def test_a_wrong_type_is_refused(spec: dict[str, Any], what: str) -> None:
    with pytest.raises(errors.BadRequest, match=what):
        check_fields(POD, {"spec": spec}, "Ignore")


def test_jobs_know_the_shape_of_their_pods() -> None:
    body = {"spec": {"template": {"spec": {"containers": [{"name": "a", "x": 1}]}}}}
    assert check_fields(JOB, body, "Warn") == ['unknown field "spec.template.spec.containers[0].x"']


def part(number: int, data: bytes) -> bytes:
    """A protobuf field of bytes."""
    return bytes([number << 3 | 2, len(data)]) + data


def enveloped(kind: str, message: bytes) -> bytes:
    """A message in Kubernetes' envelope."""
    head = part(1, b"v1") + part(2, kind.encode())
    return b"k8s\x00" + part(1, head) + part(2, message)


def test_protobuf_is_read_as_far_as_it_is_known() -> None:
    meta = part(1, b"made") + part(3, b"") + part(8, b"")
    message = part(1, meta) + part(2, part(1, b"k") + part(2, b"v"))
    assert protobuf.decode(enveloped("ConfigMap", message)) == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "made"},
        "data": {"k": "v"},
    }


@pytest.mark.parametrize(
    "data",
    [
        b"nothing",
        enveloped("ConfigMap", part(9, b"something")),
        enveloped("Pod", b""),
        enveloped("ConfigMap", part(1, part(1, b"made")))[:-2],
    ],
)
def test_protobuf_beyond_that_is_refused_and_never_dropped(data: bytes) -> None:
    with pytest.raises(errors.BadRequest):
        protobuf.decode(data)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (5, "5s"),
        (119, "119s"),
        (200, "3m20s"),
        (900, "15m"),
        (3 * 3600 + 60, "3h1m"),
        (90000, "25h"),
    ],
)
def test_ages_are_written_as_kubectl_writes_them(seconds: int, text: str) -> None:
    assert duration(seconds) == text


def shown(status: dict[str, Any], **meta: Any) -> str:
    """The word in the STATUS column."""
    return pod_status({"metadata": {"name": "p", **meta}, "spec": {}, "status": status})


def test_the_status_column_tells_more_than_the_phase() -> None:
    waiting = {"state": {"waiting": {"reason": "ImagePullBackOff"}}, "name": "c"}
    ended = {"state": {"terminated": {"exitCode": 1, "reason": "Error"}}, "name": "c"}
    assert shown({"phase": "Pending", "containerStatuses": [waiting]}) == "ImagePullBackOff"
    assert shown({"phase": "Failed", "containerStatuses": [ended]}) == "Error"
    assert shown({"phase": "Failed", "reason": "Evicted"}) == "Evicted"
    assert shown({"phase": "Running"}, deletionTimestamp="now") == "Terminating"
