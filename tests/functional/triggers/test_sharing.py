"""All the triggers of a process share one client, and one watch per namespace."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from podlift.kube import PODS, Client, load_connection
from podlift.pods.labels import Identity, annotations_of, labels_of
from podlift.pods.plain import Manifest
from podlift.triggers import sharing
from podlift.triggers.pod import KubernetesPodTrigger

from .relay import relay

if TYPE_CHECKING:
    from tests.functional.conftest import Cluster

pytestmark = pytest.mark.functional

MANY = 12


def manifest(number: int, namespace: str, shell: str) -> Manifest:
    identity = Identity(dag_id="d", task_id=f"t{number}", run_id="r", ti_id=f"ti-{number}")
    container = {"name": "base", "image": "busybox:1.36", "command": ["sh", "-c", shell]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"pod-{number}-1",
            "namespace": namespace,
            "labels": labels_of(identity, component="operator"),
            "annotations": annotations_of(identity),
        },
        "spec": {
            "containers": [container],
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 1,
        },
    }


async def created(cluster: Cluster, namespace: str, shell: str, number: int) -> list[Any]:
    async with Client(await load_connection(cluster.kubeconfig)) as client:
        manifests = [manifest(each, namespace, shell) for each in range(number)]
        return await asyncio.gather(*(client.create(PODS, each, namespace) for each in manifests))


def trigger_for(pod: Any, kubeconfig: Path, **options: Any) -> KubernetesPodTrigger:
    metadata = pod["metadata"]
    return KubernetesPodTrigger(
        pod_name=metadata["name"],
        pod_namespace=metadata["namespace"],
        pod_uid=metadata["uid"],
        manifest={"metadata": metadata, "spec": pod["spec"]},
        options=options,
        hook={"conn_id": None, "config_file": str(kubeconfig)},
    )


async def event_of(trigger: KubernetesPodTrigger) -> dict[str, Any]:
    (event,) = [each.payload async for each in trigger.run()]
    found: dict[str, Any] = event
    return found


async def test_many_pods_cost_one_watch_and_nothing_is_polled(
    cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    pods = await created(cluster, namespace, "sleep 1", MANY)
    async with relay(cluster, tmp_path) as before:
        triggers = [trigger_for(pod, before.kubeconfig, logs_of=[]) for pod in pods]
        events = await asyncio.gather(*map(event_of, triggers))
    assert [event["status"] for event in events] == ["success"] * MANY
    assert before.verbs == {"list pods": 1, "watch pods": 1, "list events": 1, "watch events": 1}
    assert not sharing._places, "the last one closes what all shared"


async def test_each_log_is_one_connection(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    pods = await created(cluster, namespace, "echo hello; sleep 0.5; echo bye", MANY)
    async with relay(cluster, tmp_path) as before:
        events = await asyncio.gather(
            *(event_of(trigger_for(pod, before.kubeconfig)) for pod in pods)
        )
    assert [event["status"] for event in events] == ["success"] * MANY
    assert before.verbs["watch pods"] == 1
    assert before.verbs["get"] == 0
    assert before.verbs["patch"] == 0
    # Followed, and read once more after the end.
    assert MANY <= before.verbs["log"] <= 3 * MANY


async def test_one_who_comes_later_hears_of_a_pod_that_has_ended(
    cluster: Cluster, namespace: str
) -> None:
    first, second = await created(cluster, namespace, "sleep 1", 2)
    waiting = asyncio.create_task(event_of(trigger_for(first, cluster.kubeconfig)))
    assert (await event_of(trigger_for(second, cluster.kubeconfig)))["status"] == "success"
    again = await event_of(trigger_for(second, cluster.kubeconfig))
    assert again["status"] == "success"
    assert (await waiting)["status"] == "success"


async def test_a_pod_that_is_not_there_any_more_is_told_at_once(
    cluster: Cluster, namespace: str
) -> None:
    (running,) = await created(cluster, namespace, "sleep 2", 1)
    waiting = asyncio.create_task(event_of(trigger_for(running, cluster.kubeconfig)))
    await asyncio.sleep(0.3)
    gone = {**running, "metadata": {**running["metadata"], "name": "gone-1", "uid": "nobody"}}
    event = await event_of(trigger_for(gone, cluster.kubeconfig, infrastructure_retries=0))
    assert event["status"] == "failed"
    assert not waiting.done()
    await waiting


async def test_one_that_is_cancelled_does_not_disturb_the_others(
    cluster: Cluster, namespace: str
) -> None:
    first, second = await created(cluster, namespace, "sleep 1", 2)
    waiting = asyncio.create_task(event_of(trigger_for(first, cluster.kubeconfig)))
    cancelled = asyncio.create_task(event_of(trigger_for(second, cluster.kubeconfig)))
    await asyncio.sleep(0.3)
    cancelled.cancel()
    assert (await waiting)["status"] == "success"


async def test_a_cluster_that_nobody_can_reach_is_told_in_words(tmp_path: Path) -> None:
    pod = {"metadata": {"name": "p", "namespace": "n", "uid": "u", "labels": {}}, "spec": {}}
    event = await event_of(trigger_for(pod, tmp_path / "missing"))
    assert event["status"] == "error"
    assert "missing" in event["message"]
