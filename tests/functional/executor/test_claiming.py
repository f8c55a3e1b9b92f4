"""Making another scheduler's pod one's own: of several that try, exactly one succeeds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest

from podlift.executor.claiming import Claims, Taken, owner_of
from podlift.kube import PODS, Client, NotFound, load_connection
from podlift.pods.labels import adoptions_of
from podlift.pods.reading import Pod

if TYPE_CHECKING:
    from tests.functional.conftest import Cluster

pytestmark = pytest.mark.functional

MANIFEST: dict[str, Any] = {
    "metadata": {"name": "contested", "annotations": {"podlift.dev/executor": "7-dead"}},
    "spec": {
        "schedulingGates": [{"name": "podlift.dev/test"}],
        "containers": [{"name": "base", "image": "busybox:1.36"}],
    },
}


@pytest.fixture
async def client(cluster: Cluster) -> AsyncIterator[Client]:
    async with Client(await load_connection(cluster.kubeconfig)) as client:
        yield client


@pytest.fixture
async def pod(client: Client, namespace: str) -> Pod:
    return await client.create(PODS, MANIFEST, namespace, type=Pod)


async def test_one_of_many_gets_it_and_the_others_hear_who(client: Client, pod: Pod) -> None:
    tries = [Claims(client, f"{job}-x").claim(pod) for job in range(10, 20)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    won = [result for result in results if isinstance(result, Pod)]
    lost = [result for result in results if isinstance(result, Taken)]
    assert (len(won), len(lost)) == (1, 9)
    assert {owner_of(each.pod) for each in lost} == {owner_of(won[0])}
    assert adoptions_of(won[0]) == 1
    assert won[0].metadata.labels["podlift.dev/executor"] == owner_of(won[0])


async def test_a_change_of_anything_but_the_owner_is_no_hindrance(
    client: Client, pod: Pod, namespace: str
) -> None:
    await client.patch(PODS, "contested", namespace, {"metadata": {"labels": {"a": "b"}}})
    assert owner_of(await Claims(client, "8-me").claim(pod)) == "8-me"


async def test_each_takeover_counts_on_from_the_last(client: Client, pod: Pod) -> None:
    second = await Claims(client, "8-me").claim(pod)
    third = await Claims(client, "9-you").claim(second)
    assert (owner_of(third), adoptions_of(third)) == ("9-you", 2)


async def test_what_is_gone_cannot_be_had(client: Client, pod: Pod, namespace: str) -> None:
    await client.delete(PODS, "contested", namespace, grace_period_seconds=0)
    with pytest.raises(NotFound):
        await Claims(client, "8-me").claim(pod)


async def test_another_pod_of_the_same_name_is_not_the_one(
    client: Client, pod: Pod, namespace: str
) -> None:
    await client.delete(PODS, "contested", namespace, grace_period_seconds=0)
    await client.create(PODS, MANIFEST, namespace)
    with pytest.raises(Taken):
        await Claims(client, "8-me").claim(pod)
