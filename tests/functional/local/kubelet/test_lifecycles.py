"""Each recorded lifecycle that the local cluster reproduces, event by event.

Every case runs once with bubblewrap and once without it, all at the same time; then each is
compared with what a real node was recorded to do. docs/local-cluster-conformance.md lists the
differences, and so do the tables here.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import aiohttp
import pytest

pytestmark = [
    pytest.mark.functional,
    pytest.mark.local_only("compares the local kubelet with the recordings of a real one"),
]

RECORDINGS = Path(__file__).parents[3] / "data" / "kube-recordings"

Obj = dict[str, Any]
Steps = list[tuple[Any, ...]]


class Cluster(Protocol):
    url: str
    token: str

    def tls(self) -> ssl.SSLContext: ...


def first_state(pod: Obj) -> Obj:
    statuses = (pod.get("status") or {}).get("containerStatuses") or [{"state": {}}]
    return dict(statuses[0]["state"])


def is_waiting_for(reason: str) -> Callable[[Obj], bool]:
    return lambda pod: first_state(pod).get("waiting", {}).get("reason") == reason


def is_running(pod: Obj) -> bool:
    return bool((pod.get("status") or {}).get("phase") == "Running")


def has_ended_first(pod: Obj) -> bool:
    return "terminated" in first_state(pod)


def has_ended_third_time(pod: Obj) -> bool:
    statuses = (pod.get("status") or {}).get("containerStatuses") or [{"restartCount": 0}]
    return statuses[0]["restartCount"] == 2 and has_ended_first(pod)


def is_held_back(pod: Obj) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any((one["type"], one["status"]) == ("PodScheduled", "False") for one in conditions)


#: What the recording did to the pod, and when.
DELETED_WHEN = {
    "deleted-while-running": is_running,
    "evicted-by-api": is_running,
    "force-deleted": is_running,
    "insufficient-cpu": is_held_back,
    "invalid-image-name": is_waiting_for("InvalidImageName"),
    "missing-configmap-volume": is_waiting_for("ContainerCreating"),
    "missing-pvc": is_held_back,
    "missing-secret-env": is_waiting_for("CreateContainerConfigError"),
    "plain-sidecar-keeps-running": has_ended_first,
    "restart-on-failure": has_ended_third_time,
    "scheduling-gated": is_held_back,
    "unschedulable": is_held_back,
}

CASES = (
    "bad-command",
    "deadline-exceeded",
    "deleted-while-running",
    "evicted-by-api",
    "fails-exit-3",
    "fallback-to-logs",
    "force-deleted",
    "init-fails",
    "init-then-main",
    "insufficient-cpu",
    "invalid-image-name",
    "killed-by-signal",
    "missing-configmap-volume",
    "missing-pvc",
    "missing-secret-env",
    "native-sidecar",
    "oom-killed",
    "plain-sidecar-keeps-running",
    "rejected-node-affinity",
    "rejected-out-of-cpu",
    "restart-on-failure",
    "scheduling-gated",
    "succeeds",
    "termination-message",
    "unschedulable",
)

#: Without bubblewrap a volume cannot be shown, nor a file at the termination message's path.
ONLY_IN_SANDBOX = ("missing-configmap-volume", "termination-message")

#: SIGTERM ends a process without a handler, unless it is the first of its PID namespace.
WITHOUT_PID_NAMESPACE = {137: 143}

#: The container's shell is this machine's, which has its own code for a wrong number.
OTHER_SHELL = {"killed-by-signal": {1: 2}}

THIRD_END = (2, ("terminated", "Error", 1, ""))


class Recorded:
    """One case run on a cluster: its watch, events and log, in the form of the recordings."""

    def __init__(self, watch: Steps, events: list[tuple[str, str, str]], log: str) -> None:
        self.watch = watch
        self.events = events
        self.log = log


def steps(events: list[Obj]) -> Steps:
    """The watch without what differs between any two runs; each step once."""
    found: Steps = []
    for event in events:
        if event["type"] == "BOOKMARK":
            continue
        step = (event["type"], *observed(event["object"]))
        if not found or found[-1] != step:
            found.append(step)
    return found


def observed(pod: Obj) -> tuple[Any, ...]:
    status, meta = pod["status"], pod["metadata"]
    conditions = {
        (one["type"], one["status"], one.get("reason", ""), one.get("message", ""))
        for one in status.get("conditions") or ()
    }
    lists = ("initContainerStatuses", "containerStatuses")
    return (
        status["phase"],
        status.get("reason", ""),
        tuple(sorted(conditions)),
        tuple(container(one) for name in lists for one in status.get(name) or ()),
        meta.get("deletionGracePeriodSeconds"),
        bool(status.get("podIP")),
        bool(status.get("startTime")),
        meta.get("generation"),
        status.get("qosClass"),
    )


def container(status: Obj) -> tuple[Any, ...]:
    return (
        status["name"],
        status["ready"],
        status["started"],
        status["restartCount"],
        state(status["state"]),
        state(status["lastState"]),
        "containerID" in status,
    )


def state(value: Obj) -> tuple[Any, ...]:
    for kind, detail in value.items():
        message = detail.get("message", "")
        if detail.get("reason") == "CrashLoopBackOff":
            message = "back-off"
        if detail.get("reason") == "InvalidImageName":
            message = message.partition(":")[0]
        return kind, detail.get("reason", ""), detail.get("exitCode"), message
    return ()


def happened(events: list[Obj]) -> list[tuple[str, str, str]]:
    """Type, reason and container of each event, in order; counts depend on the time taken."""
    ordered = sorted(events, key=lambda event: int(event["metadata"]["name"].split(".")[-1], 16))
    return [
        (event["type"], event["reason"], event["involvedObject"].get("fieldPath", ""))
        for event in ordered
    ]


def compared(case: str, watch: Steps) -> Steps:
    """The steps that have to be the same.

    The local cluster backs off for a shorter time than a real one, so a pod that restarts is
    deleted in another state; only its way there and its end are compared.
    """
    if case != "restart-on-failure":
        return watch
    third = next(i for i, step in enumerate(watch) if step[4] and step[4][0][3:5] == THIRD_END)
    return [*watch[: third + 1], (watch[-1][0], watch[-1][1])]


def with_codes(value: Any, codes: dict[int, int]) -> Any:
    """The same steps, where containers that failed ended with other exit codes."""
    if isinstance(value, list):
        return [with_codes(one, codes) for one in value]
    if isinstance(value, tuple):
        if value[:2] == ("terminated", "Error"):
            return (*value[:2], codes.get(value[2], value[2]), *value[3:])
        return tuple(with_codes(one, codes) for one in value)
    return value


def recording(case: str) -> Obj:
    found: Obj = json.loads((RECORDINGS / f"lifecycle-{case}.json").read_text())
    return found


def expected(case: str) -> Recorded:
    told = recording(case)
    events = [
        (type_, "ImageNotPulled" if reason == "Pulled" else reason, path)
        for type_, reason, path in happened(told["events"])
    ]
    if case == "insufficient-cpu":  # the recorded scheduler tried it a second time
        events = events[:1]
    watch = with_codes(steps(told["watch"]), OTHER_SHELL.get(case, {}))
    return Recorded(watch, events, told.get("log", ""))


class Run:
    """Carries out one case over HTTP."""

    def __init__(self, session: aiohttp.ClientSession, namespace: str, case: str) -> None:
        self.session = session
        self.case = case
        self.told = recording(case)
        self.name = case
        self.pods = f"/api/v1/namespaces/{namespace}/pods"
        self.events = f"/api/v1/namespaces/{namespace}/events"

    async def __call__(self) -> Recorded:
        manifest = json.loads(json.dumps(self.told["manifest"]))
        manifest["metadata"].pop("namespace", None)
        if "nodeName" in manifest["spec"]:
            manifest["spec"]["nodeName"] = "podlift-local"
        seen = await asyncio.wait_for(self._watch(manifest), 60)
        events = await self._events(len(self.told["events"]))
        async with self.session.get(f"{self.pods}/{self.name}/log") as answer:
            log = await answer.text() if answer.status == 200 else ""
        return Recorded(steps(seen), happened(events), log)

    async def _watch(self, manifest: Obj) -> list[Obj]:
        seen: list[Obj] = []
        selector = {"watch": "true", "fieldSelector": f"metadata.name={self.name}"}
        touched = False
        async with self.session.get(self.pods, params=selector) as watch:
            async with self.session.post(self.pods, json=manifest) as answer:
                assert answer.status == 201, await answer.text()
            async for line in watch.content:
                seen.append(json.loads(line))
                pod = seen[-1]["object"]
                if not touched and self.case in DELETED_WHEN and DELETED_WHEN[self.case](pod):
                    touched = True
                    await self._touch()
                if self._is_over(seen[-1]):
                    break
        return seen

    async def _events(self, count: int) -> list[Obj]:
        """The pod's events, as soon as there are *count*: the last may come after the object."""
        selector = {"fieldSelector": f"involvedObject.name={self.name}"}
        for _ in range(50):
            async with self.session.get(self.events, params=selector) as answer:
                events: list[Obj] = (await answer.json())["items"]
            if len(events) >= count:
                break
            await asyncio.sleep(0.05)
        return events

    async def _touch(self) -> None:
        if self.case == "missing-configmap-volume":
            await self._event("FailedMount")
        if self.case == "evicted-by-api":
            body = {
                "apiVersion": "policy/v1",
                "kind": "Eviction",
                "metadata": {"name": self.name},
            }
            async with self.session.post(f"{self.pods}/{self.name}/eviction", json=body) as answer:
                assert answer.status == 201
            return
        force = {"gracePeriodSeconds": "0"} if self.case == "force-deleted" else {}
        async with self.session.delete(f"{self.pods}/{self.name}", params=force) as answer:
            assert answer.status == 200

    async def _event(self, reason: str) -> None:
        async with self.session.get(self.events, params={"watch": "true"}) as watch:
            async for line in watch.content:
                event = json.loads(line)["object"]
                about = event.get("involvedObject", {}).get("name")
                if event.get("reason") == reason and about == self.name:
                    return

    def _is_over(self, event: Obj) -> bool:
        if self.case in DELETED_WHEN:
            return bool(event["type"] == "DELETED")
        return event["object"]["status"]["phase"] in ("Succeeded", "Failed")


async def run_all(cluster: Cluster, cases: list[str]) -> dict[str, Recorded]:
    headers = {"Authorization": f"Bearer {cluster.token}"}
    connector = aiohttp.TCPConnector(ssl=cluster.tls(), limit=0)
    async with aiohttp.ClientSession(
        cluster.url, headers=headers, connector=connector, read_bufsize=1 << 20
    ) as session:
        namespace = "lifecycles"
        body = {"metadata": {"name": namespace}}
        async with session.post("/api/v1/namespaces", json=body) as answer:
            assert answer.status == 201
        found = await asyncio.gather(*(Run(session, namespace, case)() for case in cases))
        async with session.delete(f"/api/v1/namespaces/{namespace}") as answer:
            assert answer.status == 200
    return dict(zip(cases, found, strict=True))


@pytest.fixture(scope="module")
def sandboxed(cluster: Cluster) -> dict[str, Recorded]:
    """All cases, run with bubblewrap."""
    return asyncio.run(run_all(cluster, list(CASES)))


@pytest.fixture(scope="module")
def bare(bare_cluster: Cluster) -> dict[str, Recorded]:
    """All cases that can be, run without bubblewrap."""
    cases = [case for case in CASES if case not in ONLY_IN_SANDBOX]
    return asyncio.run(run_all(bare_cluster, cases))


@pytest.mark.tools
@pytest.mark.parametrize("case", CASES)
def test_pod_goes_through_the_recorded_states(sandboxed: dict[str, Recorded], case: str) -> None:
    assert compared(case, sandboxed[case].watch) == compared(case, expected(case).watch)


@pytest.mark.tools
@pytest.mark.parametrize("case", CASES)
def test_pod_has_the_recorded_events(sandboxed: dict[str, Recorded], case: str) -> None:
    assert sandboxed[case].events == expected(case).events


@pytest.mark.parametrize("case", [case for case in CASES if case not in ONLY_IN_SANDBOX])
def test_without_bubblewrap_too(bare: dict[str, Recorded], case: str) -> None:
    wanted = expected(case)
    assert bare[case].events == wanted.events
    found = compared(case, bare[case].watch)
    steps = compared(case, wanted.watch)
    assert found in (steps, with_codes(steps, WITHOUT_PID_NAMESPACE))


@pytest.mark.parametrize("case", ["succeeds", "fails-exit-3", "init-then-main", "native-sidecar"])
def test_log_is_what_was_recorded(bare: dict[str, Recorded], case: str) -> None:
    recorded = [line.partition(" ")[2] for line in expected(case).log.splitlines()]
    assert bare[case].log.splitlines() == recorded
