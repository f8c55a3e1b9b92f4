"""The status that follows from facts, against every status that a real kubelet published."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from podlift.local.kubelet.facts import ContainerFacts, PodFacts, Running, Terminated, Waiting
from podlift.local.kubelet.recovery import mark_lost, was_running
from podlift.local.kubelet.status import pod_status, rejected_status

RECORDINGS = Path(__file__).parents[3] / "data" / "kube-recordings"

#: A real cluster's node controller and kubelet wrote these two; there is one node here.
NOT_THE_KUBELET = {"node-lost-then-deleted"}

Obj = dict[str, Any]


def cases() -> list[str]:
    names = (path.stem.removeprefix("lifecycle-") for path in RECORDINGS.glob("lifecycle-*.json"))
    return sorted(set(names) - NOT_THE_KUBELET)


def recorded_steps(case: str) -> list[tuple[Obj, Obj]]:
    """Each pod as the kubelet had written it, with the one before it."""
    recording = json.loads((RECORDINGS / f"lifecycle-{case}.json").read_text())
    pods = [event["object"] for event in recording["watch"] if event["type"] != "BOOKMARK"]
    return [
        (before, after)
        for before, after in itertools.pairwise(pods)
        if after["status"].get("containerStatuses") and by_kubelet(before, after)
    ]


def by_kubelet(before: Obj, after: Obj) -> bool:
    """Whether the step is the kubelet's: others delete pods and mark them as disrupted."""
    types = [
        {one["type"] for one in pod["status"].get("conditions") or ()} for pod in (before, after)
    ]
    return before["status"] != after["status"] and "DisruptionTarget" not in types[1] - types[0]


def facts_of(pod: Obj) -> PodFacts:
    """What a kubelet must have known when it wrote the status of *pod*."""
    status = pod["status"]
    conditions = {one["type"]: one for one in status["conditions"]}
    init = [container_facts(one) for one in status.get("initContainerStatuses") or ()]
    main = [container_facts(one) for one in status["containerStatuses"]]
    running = any(isinstance(one.state, Running) for one in [*init, *main])
    decided = conditions["Ready"].get("reason") == "PodFailed" and running
    return PodFacts(
        start_time=status["startTime"],
        init={one.name: one for one in init},
        main={one.name: one for one in main},
        sandbox_ready=conditions["PodReadyToStartContainers"]["status"] == "True",
        ip="127.0.0.1" if status.get("podIP") else None,
        ended=status["phase"] in ("Succeeded", "Failed"),
        reason=status.get("reason") or ("DeadlineExceeded" if decided else ""),
        message=status.get("message", ""),
        failing=decided,
    )


def container_facts(status: Obj) -> ContainerFacts:
    last = status["lastState"].get("terminated")
    return ContainerFacts(
        name=status["name"],
        state=state(status["state"]),
        last=terminated(last) if last else None,
        restarts=status["restartCount"],
        container_id=status.get("containerID", ""),
        started=status["started"],
        ready=True,
    )


def state(value: Obj) -> Any:
    if "running" in value:
        return Running(value["running"]["startedAt"])
    if "terminated" in value:
        return terminated(value["terminated"])
    return Waiting(value["waiting"]["reason"], value["waiting"].get("message", ""))


def terminated(value: Obj) -> Terminated:
    return Terminated(
        value["exitCode"],
        value["reason"],
        value.get("message", ""),
        value["startedAt"],
        value["finishedAt"],
        value.get("containerID", ""),
    )


def essence(status: Obj) -> Obj:
    """A status without what is another machine's: images, addresses, resources, times."""
    conditions = [
        {key: value for key, value in one.items() if key not in ("lastTransitionTime",)}
        for one in status["conditions"]
    ]
    lists = ("initContainerStatuses", "containerStatuses")
    keys = ("name", "state", "lastState", "ready", "restartCount", "started", "volumeMounts")
    return {
        "phase": status["phase"],
        "reason": status.get("reason"),
        "message": status.get("message"),
        "conditions": conditions,
        "startTime": status["startTime"],
        **{
            name: [{key: one.get(key) for key in keys} for one in status.get(name) or ()]
            for name in lists
        },
    }


@pytest.mark.parametrize("case", cases())
def test_status_is_the_recorded_one(case: str) -> None:
    for before, after in recorded_steps(case):
        pod = {**after, "status": before["status"]}
        status = pod_status(pod, facts_of(after), "2026-01-01T00:00:00Z")
        assert essence(status) == essence(after["status"])


def pod(**status: Any) -> Obj:
    return {
        "metadata": {"name": "p", "namespace": "n", "uid": "u", "generation": 1},
        "spec": {"containers": [{"name": "base", "image": "i"}], "restartPolicy": "Never"},
        "status": {"phase": "Pending", "qosClass": "BestEffort", **status},
    }


def facts(state: Any, **more: Any) -> PodFacts:
    base = ContainerFacts("base", state, started=True, ready=True, container_id="podlift://1")
    return PodFacts("2026-01-01T00:00:00Z", main={"base": base}, **more)


def test_a_condition_keeps_its_time_while_it_stays() -> None:
    first = pod_status(pod(), facts(Running("t")), "2026-01-01T00:00:01Z")
    second = pod_status(
        pod(**first), facts(Running("t"), sandbox_ready=True), "2026-01-01T00:00:09Z"
    )
    times = {one["type"]: one["lastTransitionTime"][-3:-1] for one in second["conditions"]}
    assert times["Ready"] == "01"
    assert times["PodReadyToStartContainers"] == "09"


def test_conditions_of_others_stay() -> None:
    disrupted = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}
    status = pod_status(pod(conditions=[disrupted]), facts(Running("t")), "now")
    assert status["conditions"][0] == disrupted


def test_terminal_phase_waits_for_the_end() -> None:
    done = Terminated(0, "Completed", started_at="t", finished_at="t")
    running = pod(phase="Running")
    assert pod_status(running, facts(done), "now")["phase"] == "Running"
    assert pod_status(running, facts(done, ended=True), "now")["phase"] == "Succeeded"


def test_a_container_that_is_not_ready_keeps_the_pod_unready() -> None:
    base = ContainerFacts("base", Running("t"), started=True, ready=False, container_id="x")
    status = pod_status(pod(), PodFacts("t", main={"base": base}), "now")
    ready = next(one for one in status["conditions"] if one["type"] == "Ready")
    assert (ready["status"], ready["message"]) == (
        "False",
        "containers with unready status: [base]",
    )


def test_rejected_pod_has_a_reason_and_no_containers() -> None:
    status = rejected_status(pod(), "OutOfcpu", "Pod was rejected: no", "now")
    assert (status["phase"], status["reason"]) == ("Failed", "OutOfcpu")
    assert "containerStatuses" not in status


def test_a_pod_that_ran_when_the_cluster_died_is_told_as_lost() -> None:
    lost = pod()
    lost["status"] = pod_status(pod(), facts(Running("t"), sandbox_ready=True), "then")
    assert was_running(lost)
    mark_lost(lost, "now")
    status = lost["status"]
    assert (status["phase"], status["reason"]) == ("Failed", "NodeLost")
    assert status["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 137
    conditions = {one["type"]: one["status"] for one in status["conditions"]}
    assert conditions["DisruptionTarget"] == "True"
    assert conditions["Ready"] == "False"
    assert not was_running(lost)


def test_a_pod_that_had_not_begun_is_not_lost() -> None:
    assert not was_running(pod())
