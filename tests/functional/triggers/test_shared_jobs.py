"""All the Jobs that are waited for in a triggerer share three watches."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from podlift.hooks.kubernetes import KubernetesHook
from podlift.kube import JOBS, Client, load_connection
from podlift.operators.job_manifest import PODS_OF_JOB, job_manifest
from podlift.pods.labels import Identity
from podlift.pods.plain import Manifest
from podlift.runs import RunOptions
from podlift.runs.kinds import JOB
from podlift.runs.objects import ObjectOptions, Reference, reference_to
from podlift.triggers import sharing
from podlift.triggers.job import KubernetesJobTrigger
from podlift.triggers.telling import Telling

from .relay import relay

if TYPE_CHECKING:
    from tests.functional.conftest import Cluster

pytestmark = pytest.mark.functional

MANY = 8


def manifest(number: int, namespace: str, shell: str) -> Manifest:
    identity = Identity(dag_id="d", task_id=f"t{number}", run_id="r", ti_id=f"ti-{number}")
    parameters = {
        "image": "busybox:1.36",
        "cmds": ["sh", "-c", shell],
        "backoff_limit": 0,
        "termination_grace_period": 1,
    }
    return job_manifest(parameters, identity=identity, namespace=namespace, default_name="t")


async def created(
    cluster: Cluster, namespace: str, shell: str, number: int, **metadata: Any
) -> list[Reference]:
    """That many Jobs; ``metadata`` is laid over theirs."""
    async with Client(await load_connection(cluster.kubeconfig)) as client:
        manifests = [manifest(each, namespace, shell) for each in range(number)]
        for each in manifests:
            each["metadata"] |= metadata
        made = [client.create(JOBS, each, namespace) for each in manifests]
        return [reference_to(each, JOBS) for each in await asyncio.gather(*made)]


async def event_of(of: Reference, kubeconfig: Path, **of_pods: Any) -> dict[str, Any]:
    options = ObjectOptions(judgement=JOB, pods=PODS_OF_JOB, of_pods=RunOptions(**of_pods))
    hook = KubernetesHook(None, config_file=str(kubeconfig))
    trigger = KubernetesJobTrigger.to_watch(of, options, Telling(), hook)
    (event,) = [each.payload async for each in trigger.run()]
    found: dict[str, Any] = event
    return found


def succeeded(event: dict[str, Any]) -> bool:
    return not event["outcome"].get("sentence")


async def test_many_jobs_cost_three_watches_and_nothing_is_polled(
    cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    jobs = await created(cluster, namespace, "sleep 3", MANY)
    async with relay(cluster, tmp_path) as before:
        waiting = [event_of(each, before.kubeconfig, logs_of=()) for each in jobs]
        events = await asyncio.gather(*waiting)
    assert all(map(succeeded, events))
    kinds = ("jobs", "pods", "events")
    assert {kind: before.verbs[f"watch {kind}"] for kind in kinds} == dict.fromkeys(kinds, 1)
    assert before.verbs["list jobs"] == before.verbs["list events"] == 1
    # Each Job's pods are asked for once more at its end.
    assert before.verbs["list pods"] == 1 + MANY
    assert before.verbs["get"] == 0
    assert not sharing._places, "the last one closes what all shared"


async def test_each_hears_of_its_own_pods_alone(cluster: Cluster, namespace: str) -> None:
    first, second = await created(cluster, namespace, "sleep 1; exit 3", 2)
    events = await asyncio.gather(*(event_of(each, cluster.kubeconfig) for each in (first, second)))
    for of, event in zip((first, second), events, strict=True):
        assert f"Pod {of.name}-" in event["outcome"]["sentence"]
        assert event["outcome"]["exit_codes"] == (3,)


async def test_one_who_comes_later_hears_of_a_job_that_has_ended(
    cluster: Cluster, namespace: str
) -> None:
    (ended,) = await created(cluster, namespace, "sleep 1; exit 3", 1)
    (endless,) = await created(
        cluster, namespace, "trap exit TERM; sleep 60 & wait", 1, name="job-endless"
    )
    waiting = asyncio.create_task(event_of(endless, cluster.kubeconfig))
    before = await event_of(ended, cluster.kubeconfig)
    again = await event_of(ended, cluster.kubeconfig)
    assert again["outcome"]["sentence"] == before["outcome"]["sentence"]
    assert "Container 'base' ended with exit code 3" in again["outcome"]["sentence"]
    assert not waiting.done()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)


async def test_a_job_that_somebody_else_made_is_seen_as_well(
    cluster: Cluster, namespace: str
) -> None:
    (foreign,) = await created(cluster, namespace, "sleep 1", 1, labels={}, name="foreign")
    (own,) = await created(cluster, namespace, "sleep 2", 1)
    events = await asyncio.gather(*(event_of(each, cluster.kubeconfig) for each in (own, foreign)))
    assert all(map(succeeded, events))


async def test_a_job_that_is_not_there_any_more_is_told_at_once(
    cluster: Cluster, namespace: str
) -> None:
    (running,) = await created(cluster, namespace, "sleep 2", 1)
    waiting = asyncio.create_task(event_of(running, cluster.kubeconfig))
    gone = Reference(
        api_version="batch/v1", kind="Job", plural="jobs", namespace=namespace, name="g", uid="g"
    )
    event = await event_of(gone, cluster.kubeconfig)
    assert "somebody deleted it" in event["outcome"]["sentence"]
    assert not waiting.done()
    assert succeeded(await waiting)


async def test_one_that_is_cancelled_does_not_disturb_the_others(
    cluster: Cluster, namespace: str
) -> None:
    first, second = await created(cluster, namespace, "sleep 2", 2)
    cancelled = asyncio.create_task(event_of(first, cluster.kubeconfig))
    waiting = asyncio.create_task(event_of(second, cluster.kubeconfig))
    await asyncio.sleep(0.3)
    cancelled.cancel()
    assert succeeded(await waiting)
