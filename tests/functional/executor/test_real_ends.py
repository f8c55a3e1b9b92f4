"""Ends of a task's pod that only a real node brings about, each told with its cause."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from tests.machine import ROOT
from tests.real import node

if TYPE_CHECKING:
    from tests.functional.executor.conftest import Driver, MakeDriver

pytestmark = [
    pytest.mark.functional,
    pytest.mark.real_only("a container runtime, a kernel's limits and a node that can be lost"),
]

ENDLESS = "trap 'exit 143' TERM; echo ready; sleep 600 & wait"
AGAIN = "Another pod is started."
SECONDS = 120.0


def container(script: str, **fields: Any) -> dict[str, Any]:
    base = {"name": "base", "command": ["sh", "-c", script], **fields}
    return {"spec": {"containers": [base]}}


def path(driver: Driver, name: str) -> str:
    return f"/api/v1/namespaces/{driver.namespace}/pods/{name}"


def again(driver: Driver) -> str:
    """What the task's event log says of its pod having been taken away; empty if nothing yet."""
    return next((told for told in driver.told() if told.endswith(AGAIN)), "")


def test_an_image_that_cannot_be_pulled_is_given_up_after_the_time_that_was_set(
    make_driver: MakeDriver,
) -> None:
    driver = make_driver(pending_failure_timeout=3)
    task = driver.task(override=container("true", image="127.0.0.1:1/nothing:1"))
    driver.queue(task)
    state, info = driver.end(task, 60.0)
    assert state == "failed"
    assert "127.0.0.1:1/nothing:1" in info
    assert "cannot be pulled" in info
    assert any("cannot be pulled" in told for told in driver.told())
    assert "Failed to pull image" in driver.kept_log(task)
    driver.no_pods()


def test_a_task_that_ran_out_of_memory_is_told_so_and_how_much_it_had(driver: Driver) -> None:
    memory = {"limits": {"memory": "32Mi"}}
    greedy = "echo before; exec dd if=/dev/zero of=/dev/null bs=200M count=1"
    task = driver.task(override=container(greedy, resources=memory))
    driver.queue(task)
    state, info = driver.end(task, 60.0)
    assert state == "failed"
    assert "memory" in info
    assert "32Mi" in info
    assert "before" in driver.kept_log(task)
    driver.no_pods()


def test_a_task_whose_pod_is_evicted_is_told_so_and_runs_again(driver: Driver) -> None:
    task = driver.task(ENDLESS)
    driver.queue(task)
    name = driver.pod("Running")["metadata"]["name"]
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    status, body = driver.cluster.request("POST", f"{path(driver, name)}/eviction", eviction)
    assert status == 201, body
    told = driver.until(lambda: again(driver), 60.0)
    assert "evict" in told.lower()
    assert driver.ends(task) == []
    assert "ready" in driver.kept_log(task)


@pytest.mark.alone("fills the node")
def test_a_task_that_makes_room_for_a_more_important_pod_is_told_so(driver: Driver) -> None:
    _, listed = driver.cluster.request("GET", "/api/v1/nodes")
    cores = max(_cores(each["status"]["allocatable"]["cpu"]) for each in listed["items"])
    requests = {"requests": {"cpu": f"{int(cores * 600)}m"}}  # two of them do not fit
    task = driver.task(override=container(ENDLESS, resources=requests))
    driver.queue(task)
    running = driver.pod("Running")
    important = {
        "metadata": {"name": "important"},
        "spec": {
            "priorityClassName": "system-cluster-critical",
            "nodeSelector": {"kubernetes.io/hostname": running["spec"]["nodeName"]},
            "terminationGracePeriodSeconds": 0,
            "containers": [
                {
                    "name": "base",
                    "image": "busybox:1.36",
                    "command": ["sleep", "600"],
                    "resources": requests,
                }
            ],
        },
    }
    pods = f"/api/v1/namespaces/{driver.namespace}/pods"
    status, body = driver.cluster.request("POST", pods, important)
    assert status == 201, body
    assert "preempt" in driver.until(lambda: again(driver), 60.0).lower()
    assert driver.ends(task) == []


def _cores(quantity: str) -> float:
    return int(quantity[:-1]) / 1000 if quantity.endswith("m") else float(quantity)


@pytest.fixture
def losable_node() -> Iterator[str]:
    """The node's name; it is brought back after the test."""
    yield "node"
    # By a command: the kubelet must not be a child of this process, which ends before it.
    subprocess.run([sys.executable, "-m", "tests.real", "kubelet"], cwd=ROOT, check=True)


@pytest.mark.own_node("stops the kubelet and deletes the node")
def test_a_task_whose_node_is_lost_is_told_so(driver: Driver, losable_node: str) -> None:
    task = driver.task(ENDLESS)
    driver.queue(task)
    driver.pod("Running")
    node.stop_kubelet()
    status, body = driver.cluster.request("DELETE", f"/api/v1/nodes/{losable_node}")
    assert status == 200, body
    assert "node" in driver.until(lambda: again(driver), SECONDS).lower()
    assert driver.ends(task) == []
