"""Pods that a server refuses, that can never run, or whose node is gone: what the task says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from podlift.operators.errors import PodFailed, PodNotCreated
from podlift.pods.diagnosis import Cause

from .conftest import Api, Task

pytestmark = pytest.mark.functional

MakeTask = Callable[..., Task]

NODE_LOST = {
    "status": {
        "phase": "Failed",
        "conditions": [
            {
                "type": "DisruptionTarget",
                "status": "True",
                "reason": "DeletionByPodGC",
                "message": "PodGC: node no longer exists",
            }
        ],
    }
}


def test_an_invalid_manifest_is_told_with_the_field_and_the_servers_message(
    task: MakeTask,
) -> None:
    wrong = task("true", hostname="Not_A_Name")
    with pytest.raises(PodNotCreated) as failure:
        wrong.run()
    assert 'spec.hostname: Invalid value: "Not_A_Name": a lowercase' in str(failure.value)
    assert wrong.pods() == []


def test_an_image_whose_name_is_no_name_fails_at_once(task: MakeTask) -> None:
    wrong = task("true", image="Not An Image")
    with pytest.raises(PodFailed, match="Not An Image") as failure:
        wrong.run()
    assert failure.value.diagnosis is not None
    assert failure.value.diagnosis.cause is Cause.INVALID_IMAGE_NAME
    assert wrong.pods() == []


@pytest.mark.parametrize(("ceiling", "enough"), [("1Gi", True), ("128Mi", False)])
def test_who_runs_out_of_memory_may_get_more(task: MakeTask, ceiling: str, enough: bool) -> None:
    greedy = task(
        "exec dd if=/dev/zero of=/dev/null bs=200M count=1",
        container_resources={"limits": {"memory": "64Mi"}},
        out_of_memory_factor=8,
        out_of_memory_ceiling=ceiling,
    )
    if enough:
        greedy.run()
    else:
        with pytest.raises(PodFailed, match="128Mi") as failure:
            greedy.run()
        assert failure.value.diagnosis is not None
        assert failure.value.diagnosis.cause is Cause.OUT_OF_MEMORY
    assert "Another pod is started." in greedy.log.text


@pytest.mark.parametrize("retries", [0, 1])
def test_a_pod_whose_node_is_lost(task: MakeTask, cluster: Api, retries: int) -> None:
    """As the garbage collector of pods does it: failed and deleted in one breath."""
    script = 'case "$HOSTNAME" in *-1) echo ready; sleep 60;; *) echo elsewhere;; esac'
    moved = task(script, infrastructure_retries=retries)
    outcome = moved.start()
    moved.log.wait_for("ready")
    (pod,) = moved.pods()
    metadata = pod["metadata"]
    path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
    status, answer = patched(cluster, f"{path}/status", NODE_LOST)
    assert status == 200, answer
    cluster.request("DELETE", f"{path}?gracePeriodSeconds=0")
    if retries:
        outcome.result(timeout=150)
        assert "elsewhere" in moved.log.lines
        return
    with pytest.raises(PodFailed, match="node was lost") as failure:
        outcome.result(timeout=150)
    assert failure.value.diagnosis is not None
    assert failure.value.diagnosis.cause is Cause.NODE_LOST


def patched(cluster: Any, path: str, body: Any) -> tuple[int, Any]:
    answer: tuple[int, Any] = cluster.request(
        "PATCH", path, body, Content_Type="application/strategic-merge-patch+json"
    )
    return answer


@pytest.mark.real_only("the local cluster gives every right to everybody")
def test_an_account_without_rights_is_told_what_it_may_not(
    task: MakeTask, cluster: Any, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/default/token"
    status, answer = cluster.request("POST", path, {"spec": {"expirationSeconds": 600}})
    assert status == 201, answer
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    config["users"] = [
        {"name": each["name"], "user": {"token": answer["status"]["token"]}}
        for each in config["users"]
    ]
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(config))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    with pytest.raises(PodNotCreated, match='cannot create resource "pods"'):
        task("true").run()
