"""Ends of an operator's pod that only a real node brings about, each with its diagnosis."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from podlift.operators.errors import PodFailed, PodNotStarted
from podlift.pods.diagnosis import Cause

from .conftest import Api, Task

pytestmark = [
    pytest.mark.functional,
    pytest.mark.real_only("a container runtime and a kernel's limits"),
]

MakeTask = Callable[..., Task]


def test_an_image_that_cannot_be_pulled(task: MakeTask) -> None:
    missing = task("true", image="127.0.0.1:1/nothing:1", startup_timeout_seconds=5)
    with pytest.raises(PodNotStarted, match="nothing:1") as failure:
        missing.run()
    assert failure.value.diagnosis is not None
    assert failure.value.diagnosis.cause is Cause.IMAGE_PULL
    assert failure.value.diagnosis.remedy in str(failure.value)
    assert missing.pods() == []


def test_a_program_that_runs_out_of_memory(task: MakeTask, cluster: Api, namespace: str) -> None:
    limit = {"type": "Container", "default": {"memory": "32Mi"}}
    path = f"/api/v1/namespaces/{namespace}/limitranges"
    body = {"metadata": {"name": "small"}, "spec": {"limits": [limit]}}
    status, answer = cluster.request("POST", path, body)
    assert status == 201, answer
    greedy = task("echo before; exec dd if=/dev/zero of=/dev/null bs=200M count=1")
    with pytest.raises(PodFailed, match="32Mi") as failure:
        greedy.run()
    assert failure.value.diagnosis is not None
    assert failure.value.diagnosis.cause is Cause.OUT_OF_MEMORY
    assert "before" in greedy.log.lines
    assert greedy.pods() == []


def test_a_pod_that_is_evicted_is_told_so_and_started_again(
    task: MakeTask, cluster: Api, namespace: str
) -> None:
    running = task("trap 'exit 1' TERM; echo ready; sleep 3 & wait")
    outcome = running.start()
    running.log.wait_for("ready")
    (pod,) = running.pods()
    name = pod["metadata"]["name"]
    path = f"/api/v1/namespaces/{namespace}/pods/{name}/eviction"
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    status, body = cluster.request("POST", path, eviction)
    assert status == 201, body
    outcome.result(timeout=60)
    assert "evicted" in running.log.text.lower()
    running.log.wait_for("Another pod is started.", timeout=0)
    assert running.log.lines.count("ready") == 2
    assert running.pods() == []
