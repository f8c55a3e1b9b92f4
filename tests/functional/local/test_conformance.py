"""The recorded requests of a real cluster, sent to the local one.

Every recording is replayed in order. Status code, reason, message and body must be the same,
apart from what no two clusters share (names they made up, versions, times) and from the
differences that are listed here by name, which ``docs/local-cluster-conformance.md`` explains.
"""

from __future__ import annotations

import json
import re
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

pytestmark = [
    pytest.mark.functional,
    pytest.mark.local_only(
        "replays what a real cluster answered, to compare the local one with it"
    ),
]

ROOT = Path(__file__).parents[3]
RECORDINGS = ROOT / "tests" / "data" / "kube-recordings"
DOCUMENT = ROOT / "docs" / "local-cluster-conformance.md"
FILES = (
    "api-discovery.json",
    "api-pods.json",
    "api-limits-and-access.json",
    "api-other-kinds.json",
)

#: What differs on purpose: by case, the paths in the answer that are not compared.
DIFFERENCES: dict[str, tuple[str, ...]] = {
    "version": ("body.git", "body.goVersion", "body.compiler"),
    "api": ("body.serverAddress",),
    "apis": ("body.groups",),
    "api v1 resources": ("body.resources",),
    "batch v1 resources": ("body.resources",),
    "events.k8s.io v1 resources": ("",),
    "authorization": ("body.resources",),
    "coordination": ("body.resources",),
    "aggregated discovery /api": ("body.items",),
    "get as Table": ("body.columnDefinitions", "body.rows[0].cells[4]", "body.rows[1].cells[4]"),
    "patch immutable field": ("body.message", "body.details.causes[0].message"),
    "watch from an expired resourceVersion": ("body.object.message",),
    "status patch": ("body.status",),
    "log of a container that waits to start": ("body.message",),
    "delete running pod: graceful": ("body.spec", "body.status"),
    "list nodes": ("body.items",),
    "list namespaces": ("body.items",),
}

#: Names, versions and times are each cluster's own.
_OWN = re.compile(
    r"\.(uid|resourceVersion|creationTimestamp|deletionTimestamp|lastTransitionTime|startTime"
    r"|lastProbeTime|completionTime|managedFields|continue|nodeName|storageVersionHash)$"
)
_UID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_GENERATED = re.compile(r"\b(task|e|kube-api-access)-[a-z0-9]{5}\b")
_VERSION = re.compile(r"(current|version): \d+")


@dataclass(frozen=True)
class Answer:
    """What the local cluster answered."""

    status: int
    content_type: str
    warning: str | None
    body: Any


def cases() -> list[Any]:
    """One test parameter for each recorded request that was recorded with its path."""
    return [
        pytest.param(file, index, id=f"{file}:{case['name']}")
        for file in FILES
        for index, case in enumerate(json.loads((RECORDINGS / file).read_text()))
        if "path" in case["request"]
    ]


@pytest.fixture(scope="module")
def answers(cluster: Any) -> Iterator[dict[tuple[str, int], Answer]]:
    """All requests of all recordings, sent once and in order."""
    for name in ("rec2", "quota"):
        cluster.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    _until(cluster, "/api/v1/namespaces/rec2/serviceaccounts/default", lambda body: True)
    yield {
        (file, index): answer for file in FILES for index, answer in _replay(cluster, file).items()
    }
    for name in ("rec2", "quota"):
        cluster.remove_namespace(name)


def _replay(cluster: Any, file: str) -> dict[int, Answer]:
    found: dict[int, Answer] = {}
    token = ""
    for index, case in enumerate(json.loads((RECORDINGS / file).read_text())):
        request = case["request"]
        if "path" not in request:
            continue
        _prepare(cluster, case["name"])
        path = re.sub(r"continue=ey[^&]*", f"continue={token}", request["path"])
        token_sent = {"no credentials": "", "bad bearer token": "nobody's"}.get(
            case["name"], cluster.token
        )
        found[index] = _send(cluster, {**request, "path": path}, token_sent)
        if case["name"] == "list limit=1":
            token = found[index].body["metadata"]["continue"]
    return found


def _prepare(cluster: Any, case: str) -> None:
    """Bring about what the recording found when it came to this case."""
    pods = "/api/v1/namespaces/rec2/pods"
    spec: dict[str, Any]
    if case == "status patch":
        _until(cluster, f"{pods}/gated", lambda body: body["status"]["phase"] == "Running")
    elif case == "log of a container that waits to start":
        # A real kubelet waits for an image here; this one has none to wait for.
        key = {"configMapKeyRef": {"name": "missing", "key": "k"}}
        env = [{"name": "A", "valueFrom": key}]
        spec = {"containers": [{"name": "base", "image": "r.invalid/x:1", "env": env}]}
        cluster.request("POST", pods, {"metadata": {"name": "noimg"}, "spec": spec})
        _until(cluster, f"{pods}/noimg", lambda body: "containerStatuses" in body["status"])
    elif case == "log of a pod with two containers, none named":
        spec = {
            "restartPolicy": "Never",
            "containers": [{"name": name, "image": "b"} for name in ("a", "b")],
            "schedulingGates": [{"name": "a/b"}],
        }
        cluster.request("POST", pods, {"metadata": {"name": "two"}, "spec": spec})
    elif case == "create in a terminating namespace":
        hold = {"metadata": {"finalizers": ["example.com/hold"]}}
        path = "/api/v1/namespaces/quota/resourcequotas/q"
        cluster.request("PATCH", path, hold, Content_Type="application/merge-patch+json")
        cluster.request("DELETE", "/api/v1/namespaces/quota")
    elif case == "get Job after it finished":
        path = "/apis/batch/v1/namespaces/rec2/jobs/j1"
        _until(cluster, path, lambda body: body["status"].get("completionTime"))


def _until(cluster: Any, path: str, condition: Any) -> None:
    end = time.monotonic() + 10
    while True:
        status, body = cluster.request("GET", path)
        if status == 200 and condition(body):
            return
        assert time.monotonic() < end, f"{path} did not come about: {body}"
        time.sleep(0.02)


def _send(cluster: Any, request: dict[str, Any], bearer: str) -> Answer:
    body = request.get("body")
    data = body.encode() if isinstance(body, str) else json.dumps(body).encode() if body else None
    headers = {"Accept": request.get("accept") or "*/*", **(request.get("headers") or {})}
    if request.get("contentType"):
        headers["Content-Type"] = request["contentType"]
    if bearer:
        headers["Authorization"] = f"Bearer {bearer}"
    url = cluster.url + request["path"].replace(" ", "%20")
    sent = urllib.request.Request(url, data, headers, method=request["method"])
    try:
        with urllib.request.urlopen(sent, context=cluster.tls(), timeout=30) as answer:
            return _answer(answer.status, answer.headers, answer.read())
    except HTTPError as error:
        with error:
            return _answer(error.code, error.headers, error.read())


def _answer(status: int, headers: Any, data: bytes) -> Answer:
    try:
        body = json.loads(data)
    except ValueError:
        body = data.decode()
    return Answer(status, headers.get("Content-Type", ""), headers.get("Warning"), body)


def _normal(value: Any) -> Any:
    """Text without what is each cluster's own."""
    if not isinstance(value, str):
        return value
    value = _UID.sub("UID", value)
    value = _GENERATED.sub(r"\1-XXXXX", value)
    return _VERSION.sub(r"\1: N", value)


def _differences(wanted: Any, actual: Any, path: str, skipped: tuple[str, ...]) -> Iterator[str]:
    if any(path.startswith(one) for one in skipped) or _OWN.search(path):
        return
    if isinstance(wanted, dict) and isinstance(actual, dict):
        for key in sorted(wanted.keys() | actual.keys()):
            yield from _differences(wanted.get(key), actual.get(key), f"{path}.{key}", skipped)
    elif isinstance(wanted, list) and isinstance(actual, list) and len(wanted) == len(actual):
        for index, (one, other) in enumerate(zip(wanted, actual, strict=True)):
            yield from _differences(one, other, f"{path}[{index}]", skipped)
    elif _normal(wanted) != _normal(actual):
        yield f"{path}: {_normal(wanted)!r} in a real cluster, {_normal(actual)!r} here"


def _without_vendor_mount(value: Any) -> Any:
    """The recorded server adds a config map of its vendor's to every pod; upstream does not."""
    if isinstance(value, dict):
        return {key: _without_vendor_mount(one) for key, one in value.items()}
    if isinstance(value, list):
        vendor = "openshift-service-ca.crt"
        return [
            _without_vendor_mount(one)
            for one in value
            if not (isinstance(one, dict) and (one.get("configMap") or {}).get("name") == vendor)
        ]
    return value


def _watched(text: str) -> list[tuple[str, str]]:
    """A watch's events as type and name."""
    events = [json.loads(line) for line in text.splitlines()]
    return [
        (event["type"], _normal(event["object"]["metadata"].get("name", ""))) for event in events
    ]


@pytest.mark.parametrize(("file", "index"), cases())
def test_answers_as_a_real_cluster_does(
    answers: dict[tuple[str, int], Answer], file: str, index: int
) -> None:
    case = json.loads((RECORDINGS / file).read_text())[index]
    wanted, actual = case["response"], answers[file, index]
    skipped = DIFFERENCES.get(case["name"], ())
    if skipped == ("",):
        # Not served at all.
        assert actual.status != wanted["status"], "the documented difference is gone"
        return
    assert actual.status == wanted["status"], actual.body
    headers = wanted.get("headers", {})
    assert actual.content_type == headers.get("Content-Type", "application/json")
    assert actual.warning == headers.get("Warning")
    body = _without_vendor_mount(wanted["body"])
    if isinstance(body, str) and body.startswith('{"type"'):
        assert _watched(actual.body) == _watched(body)
        return
    assert list(_differences(body, actual.body, "body", skipped)) == []


@pytest.mark.parametrize("case", sorted(DIFFERENCES))
def test_every_difference_is_documented(case: str) -> None:
    assert f"| {case} |" in DOCUMENT.read_text()
