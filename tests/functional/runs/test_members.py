"""The pods of an object whose work was over before anybody looked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from podlift.kube import PODS, Client, load_connection, watch
from podlift.runs import Listener, RunOptions
from podlift.runs.members import Members
from podlift.runs.objects import Reference
from podlift.runs.objects_watching import Watches

if TYPE_CHECKING:
    from datetime import datetime

    from tests.functional.conftest import Cluster

pytestmark = pytest.mark.functional


class Lines(Listener):
    """Keeps the lines that are told."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def line(self, container: str, line: str, moment: datetime | None = None) -> None:
        self.heard.append(line)


def members(client: Client, namespace: str, heard: Lines) -> Members:
    of = Reference(
        api_version="batch/v1", kind="Job", plural="jobs", namespace=namespace, name="it", uid="u"
    )
    return Members(client, Watches(client), of, "of={name}", RunOptions(), heard, lambda _: heard)


async def run_one_pod(client: Client, namespace: str) -> None:
    """A pod that has ended when this returns."""
    container = {"name": "base", "image": "busybox:1.36", "command": ["echo", "a line"]}
    manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "a", "namespace": namespace, "labels": {"of": "it"}},
        "spec": {"containers": [container], "restartPolicy": "Never"},
    }
    await client.create(PODS, manifest, namespace)
    async for event in watch(client, PODS, namespace):
        if event.object is not None and event.object["status"]["phase"] == "Succeeded":
            return


async def test_pods_that_had_ended_before_are_told(cluster: Cluster, namespace: str) -> None:
    heard = Lines()
    async with Client(await load_connection(cluster.kubeconfig)) as client:
        await run_one_pod(client, namespace)
        pods = members(client, namespace, heard)
        async with pods.seen():
            (outcome,) = await pods.told()
    assert outcome.succeeded
    assert heard.heard == ["a line"]


async def test_where_there_are_none_nothing_is_waited_for(cluster: Cluster, namespace: str) -> None:
    async with Client(await load_connection(cluster.kubeconfig)) as client:
        pods = members(client, namespace, Lines())
        async with pods.seen():
            assert await pods.told() == []
