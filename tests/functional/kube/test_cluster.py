"""The same client against a whole cluster."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest

from podlift.kube import (
    CONFIGMAPS,
    NAMESPACES,
    NODES,
    PODS,
    SECRETS,
    SELF_SUBJECT_ACCESS_REVIEWS,
    AlreadyExists,
    BadRequest,
    Client,
    Conflict,
    Invalid,
    NotFound,
    Patch,
    WatchEvent,
    load_connection,
    watch,
)
from podlift.pods.reading import Pod, is_finished

if TYPE_CHECKING:
    from tests.functional.conftest import Cluster

pytestmark = pytest.mark.functional

Run = Callable[..., Awaitable[Pod]]


def config(name: str, **data: str) -> dict[str, Any]:
    metadata = {"name": name, "labels": {"of": name}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def manifest(name: str, script: str, **container: Any) -> dict[str, Any]:
    base = {"name": "base", "image": "busybox:1.36", "command": ["sh", "-c", script], **container}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 1,
            "containers": [base],
        },
    }


@pytest.fixture
async def client(cluster: Cluster) -> AsyncIterator[Client]:
    async with Client(await load_connection(cluster.kubeconfig)) as client:
        yield client


@pytest.fixture
def run(client: Client, namespace: str) -> Run:
    """Creates a pod and waits until it is as wanted."""

    async def until(pod: dict[str, Any], wanted: Callable[[Pod], bool]) -> Pod:
        await client.create(PODS, pod, namespace)
        selector = f"metadata.name={pod['metadata']['name']}"
        async with (
            asyncio.timeout(60),
            aclosing(watch(client, PODS, namespace, field_selector=selector, type=Pod)) as events,
        ):
            async for event in events:
                if event.object is not None and wanted(event.object):
                    return event.object
        raise AssertionError("a watch has no end")

    return until


def runs(pod: Pod) -> bool:
    statuses = pod.status.container_statuses
    return bool(statuses) and all(status.state.running is not None for status in statuses)


async def test_the_server_says_who_it_is(client: Client) -> None:
    assert (await client.server_version())["major"] == "1"
    nodes = await client.list(NODES)
    assert len(nodes.items) >= 1


async def test_an_objects_life(client: Client, namespace: str) -> None:
    made = await client.create(CONFIGMAPS, config("a", x="1"), namespace)
    assert made["metadata"]["uid"]
    with pytest.raises(AlreadyExists):
        await client.create(CONFIGMAPS, config("a"), namespace)
    read = await client.get(CONFIGMAPS, "a", namespace)
    assert read == made
    replaced = await client.replace(CONFIGMAPS, {**read, "data": {"x": "2"}}, namespace)
    assert replaced["data"] == {"x": "2"}
    with pytest.raises(Conflict) as told:
        await client.replace(CONFIGMAPS, {**read, "data": {"x": "3"}}, namespace)
    assert type(told.value) is Conflict
    with pytest.raises(Conflict):
        await client.delete(CONFIGMAPS, "a", namespace, uid="00000000-0000-0000-0000-000000000000")
    await client.delete(CONFIGMAPS, "a", namespace, uid=made["metadata"]["uid"])
    with pytest.raises(NotFound, match='"a" not found'):
        await client.get(CONFIGMAPS, "a", namespace)


async def test_a_dry_run_keeps_nothing(client: Client, namespace: str) -> None:
    await client.create(CONFIGMAPS, config("a"), namespace, dry_run=True)
    assert (await client.list(CONFIGMAPS, namespace, label_selector="of=a")).items == []


async def test_a_dry_run_refuses_an_unknown_field(client: Client, namespace: str) -> None:
    with pytest.raises(BadRequest, match='unknown field "datta"'):
        await client.create(CONFIGMAPS, config("a") | {"datta": {}}, namespace, dry_run=True)


async def test_what_can_never_be_created(client: Client, namespace: str) -> None:
    with pytest.raises(NotFound, match="namespaces"):
        await client.create(PODS, manifest("a", "true"), "no-such-namespace")
    bad = manifest("Bad_Name", "true")
    with pytest.raises(Invalid, match="Bad_Name"):
        await client.create(PODS, bad, namespace)


async def test_the_four_patches(client: Client, namespace: str) -> None:
    await client.create(CONFIGMAPS, config("a", x="1", y="2"), namespace)
    ways: list[tuple[Patch, Any]] = [
        (Patch.STRATEGIC, {"data": {"x": "strategic"}}),
        (Patch.MERGE, {"data": {"y": None}}),
        (Patch.JSON, [{"op": "add", "path": "/data/z", "value": "json"}]),
    ]
    for how, body in ways:
        await client.patch(CONFIGMAPS, "a", namespace, body, how=how)
    assert (await client.get(CONFIGMAPS, "a", namespace))["data"] == {
        "x": "strategic",
        "z": "json",
    }
    applied = await client.patch(
        CONFIGMAPS, "b", namespace, config("b", w="apply"), how=Patch.APPLY, field_manager="test"
    )
    assert applied["data"] == {"w": "apply"}


async def test_lists_are_read_in_pages(client: Client, namespace: str) -> None:
    names = [f"c{number:02}" for number in range(7)]
    for name in names:
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}}
        await client.create(SECRETS, body, namespace)
    listing = await client.list(SECRETS, namespace, limit=3)
    assert [item["metadata"]["name"] for item in listing.items] == names
    assert int(listing.resource_version) > 0
    await client.delete_collection(SECRETS, namespace, field_selector="metadata.name!=c03")
    left = await client.list(SECRETS, namespace)
    assert [item["metadata"]["name"] for item in left.items] == ["c03"]


async def test_rights_can_be_asked_for(client: Client, namespace: str) -> None:
    attributes = {"namespace": namespace, "verb": "create", "resource": "pods"}
    review = await client.create(
        SELF_SUBJECT_ACCESS_REVIEWS,
        {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        },
    )
    assert review["status"]["allowed"] is True


async def hear(events: Any, count: int) -> list[WatchEvent[Any]]:
    async with asyncio.timeout(60):
        return [await anext(events) for _ in range(count)]


def seen(event: WatchEvent[Any]) -> Any:
    assert event.object is not None
    return event.object


async def test_a_watch_tells_every_change(client: Client, namespace: str) -> None:
    await client.create(CONFIGMAPS, config("a", x="1"), namespace)
    events = watch(client, CONFIGMAPS, namespace, label_selector="of in (a,b)")
    async with aclosing(events):
        told = await hear(events, 2)
        assert [event.kind for event in told] == ["ADDED", "SYNCED"]
        await client.create(CONFIGMAPS, config("b"), namespace)
        await client.patch(CONFIGMAPS, "a", namespace, {"data": {"x": "2"}}, how=Patch.MERGE)
        await client.create(CONFIGMAPS, config("c"), namespace)
        await client.delete(CONFIGMAPS, "b", namespace)
        await client.create(CONFIGMAPS, config("b"), namespace)
        told = await hear(events, 4)
    assert [(event.kind, seen(event)["metadata"]["name"]) for event in told] == [
        ("ADDED", "b"),
        ("MODIFIED", "a"),
        ("DELETED", "b"),
        ("ADDED", "b"),
    ]
    assert seen(told[1])["data"] == {"x": "2"}
    assert seen(told[2])["metadata"]["uid"] != seen(told[3])["metadata"]["uid"]


async def test_a_watch_of_all_namespaces(client: Client, namespace: str) -> None:
    events = watch(client, NAMESPACES, field_selector=f"metadata.name={namespace}")
    async with aclosing(events):
        told = await hear(events, 2)
    assert seen(told[0])["metadata"]["name"] == namespace


async def test_a_pod_ends_and_leaves_its_log(client: Client, namespace: str, run: Run) -> None:
    pod = await run(manifest("a", "echo one; echo two; printf three; exit 3"), is_finished)
    assert pod.status.phase == "Failed"
    assert await client.read_log("a", namespace) == b"one\ntwo\nthree"
    assert await client.read_log("a", namespace, "base", tail_lines=1) == b"three"
    assert await client.read_log("a", namespace, limit_bytes=5) == b"one\nt"
    pieces = [piece async for piece in client.log_pieces("a", namespace, follow=True)]
    assert b"".join(pieces) == b"one\ntwo\nthree"
    stamped = await client.read_log("a", namespace, timestamps=True)
    moments = [line.partition(b" ")[0].decode() for line in stamped.splitlines()]
    later = await client.read_log("a", namespace, since_time=moments[-1])
    assert later.endswith(b"three")


async def test_a_log_is_followed_to_its_end(client: Client, namespace: str, run: Run) -> None:
    await run(manifest("a", "echo one; read line; echo $line", stdin=True, stdinOnce=True), runs)
    pieces = client.log_pieces("a", namespace, follow=True)
    async with asyncio.timeout(60):
        assert await anext(pieces) == b"one\n"
        async with client.attach("a", namespace, stdin=True) as stream:
            await stream.write(b"two\n")
            assert await anext(pieces) == b"two\n"
            with pytest.raises(StopAsyncIteration):
                await anext(pieces)


async def test_refused_logs_say_why(client: Client, namespace: str, run: Run) -> None:
    with pytest.raises(NotFound, match='pods "nope" not found'):
        await client.read_log("nope", namespace)
    await run(manifest("a", "true"), is_finished)
    with pytest.raises(BadRequest, match="container nope is not valid for pod a"):
        await client.read_log("a", namespace, "nope")
    with pytest.raises(BadRequest, match="previous terminated container"):
        await client.read_log("a", namespace, previous=True)


async def test_commands_run_in_a_container(client: Client, namespace: str, run: Run) -> None:
    await run(manifest("a", "sleep 60"), runs)
    async with client.exec(
        "a", namespace, ["sh", "-c", "echo out; echo err >&2; exit 3"]
    ) as stream:
        done = await stream.communicate()
    assert (done.exit_code, done.stdout, done.stderr) == (3, b"out\n", b"err\n")
    async with client.exec("a", namespace, ["head", "-n", "1"], stdin=True) as stream:
        await stream.write(b"one\ntwo\n")
        done = await stream.communicate()
    assert (done.exit_code, done.stdout) == (0, b"one\n")
    with pytest.raises(BadRequest, match="nope is not valid"):
        async with client.exec("a", namespace, ["ls"], container="nope"):
            pass


@pytest.mark.since_minor(30, "exec speaks v4, in which an input cannot be closed")
async def test_a_command_reads_its_input_to_the_end(
    client: Client, namespace: str, run: Run
) -> None:
    await run(manifest("a", "sleep 60"), runs)
    data = bytes(range(256)) * 2048
    async with client.exec("a", namespace, ["cat"], stdin=True) as stream:
        async with asyncio.timeout(60):
            done = await stream.communicate(data)
    assert (done.exit_code, done.stdout) == (0, data)


async def test_eviction_ends_a_pod(client: Client, namespace: str, run: Run) -> None:
    await run(manifest("a", "sleep 60"), runs)
    async with aclosing(watch(client, PODS, namespace, type=Pod)) as events:
        assert [event.kind for event in await hear(events, 2)] == ["ADDED", "SYNCED"]
        await client.evict("a", namespace)
        kinds = set()
        async with asyncio.timeout(60):
            async for event in events:
                kinds.add(event.kind)
                if event.kind == "DELETED":
                    break
    assert kinds == {"MODIFIED", "DELETED"}
