"""A watch of a whole cluster over a line that breaks: what is told stays true."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from tests.machine import ROOT

from podlift.kube import (
    CONFIGMAPS,
    Client,
    Connection,
    Gone,
    KubeError,
    Patch,
    load_connection,
    watch,
)
from podlift.kube.pacing import Timing

if TYPE_CHECKING:
    from tests.functional.conftest import Cluster

pytestmark = pytest.mark.functional

# More than a history of 8 MiB remembers.
BIG = 900_000
REPEATED = 11


@dataclass
class Line:
    """A line to the cluster that can be cut: it passes bytes on, and knows nothing of them.

    While it is ``down`` it refuses; while somebody holds its ``gate`` it lets wait.
    """

    host: str
    port: int
    down: bool = False
    gate: asyncio.Lock = field(default_factory=asyncio.Lock)
    writers: set[asyncio.StreamWriter] = field(default_factory=set)

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.add(writer)
        if self.down:
            writer.transport.abort()
            return
        async with self.gate:
            pass
        far_reader, far_writer = await asyncio.open_connection(self.host, self.port)
        self.writers.add(far_writer)
        await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))

    def cut(self) -> None:
        for writer in self.writers:
            writer.transport.abort()
        self.writers.clear()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass  # cut, by the test or by one of the two ends
    finally:
        writer.close()


class Picture:
    """What a listener knows who believes every word."""

    def __init__(self) -> None:
        self.versions: dict[str, str] = {}
        self.deleted: list[str] = []
        self.troubles: list[KubeError] = []
        self.changed = asyncio.Condition()

    async def listen(self, client: Client, namespace: str) -> None:
        events = watch(
            client,
            CONFIGMAPS,
            namespace,
            timing=Timing(chance=lambda: 0.0),
            on_trouble=lambda error, _: self.troubles.append(error),
        )
        async with aclosing(events):
            async for event in events:
                if event.object is not None:
                    await self._hear(event.kind, event.object["metadata"])

    async def _hear(self, kind: str, metadata: dict[str, Any]) -> None:
        async with self.changed:
            if kind == "DELETED":
                del self.versions[metadata["name"]]
                self.deleted.append(metadata["name"])
            else:
                assert (kind == "ADDED") is (metadata["name"] not in self.versions)
                self.versions[metadata["name"]] = metadata["resourceVersion"]
            self.changed.notify_all()

    async def until_it_shows(self, name: str) -> None:
        async with asyncio.timeout(60), self.changed:
            await self.changed.wait_for(lambda: name in self.versions)


@pytest.fixture
async def client(cluster: Cluster) -> AsyncIterator[Client]:
    async with Client(await load_connection(cluster.kubeconfig)) as client:
        yield client


@pytest.fixture
async def line(cluster: Cluster) -> AsyncIterator[tuple[Line, Client]]:
    """A line, and a client that has no other way to the cluster."""
    address = urlsplit(cluster.url)
    assert address.hostname
    line = Line(address.hostname, address.port or 443)
    server = await asyncio.start_server(line.pass_on, "127.0.0.1", 0)
    access = await (await load_connection(cluster.kubeconfig)).current()
    port = server.sockets[0].getsockname()[1]
    tls = replace(access.tls, server_name=address.hostname)
    there = Connection(replace(access, server=f"https://127.0.0.1:{port}", tls=tls))
    async with Client(there) as client:
        yield line, client
    line.cut()
    server.close()


@pytest.fixture
async def picture(
    line: tuple[Line, Client], client: Client, namespace: str
) -> AsyncIterator[Picture]:
    picture = Picture()
    listening = asyncio.create_task(picture.listen(line[1], namespace))
    await make(client, namespace, "first")
    await picture.until_it_shows("first")
    yield picture
    listening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await listening


async def make(client: Client, namespace: str, name: str) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
    await client.create(CONFIGMAPS, body, namespace)


async def is_true(picture: Picture, client: Client, namespace: str) -> None:
    listing = await client.list(CONFIGMAPS, namespace)
    there = {
        each["metadata"]["name"]: each["metadata"]["resourceVersion"] for each in listing.items
    }
    assert picture.versions == there


async def test_a_line_that_is_cut_again_and_again(
    line: tuple[Line, Client], client: Client, namespace: str, picture: Picture
) -> None:
    chance = random.Random(3)
    there: set[str] = set()
    for number in range(150):
        name = f"c{chance.randrange(8)}"
        if name not in there:
            await make(client, namespace, name)
            there.add(name)
        elif chance.random() < 0.5:
            change = {"data": {"n": str(number)}}
            await client.patch(CONFIGMAPS, name, namespace, change, how=Patch.MERGE)
        else:
            await client.delete(CONFIGMAPS, name, namespace)
            there.remove(name)
        if number % 40 == 20:
            line[0].cut()
    await make(client, namespace, "last")
    await picture.until_it_shows("last")
    await is_true(picture, client, namespace)
    assert picture.troubles


@pytest.mark.local_only("outruns the history, which a real API server lets grow as it is written")
async def test_what_vanished_while_the_line_was_down_and_history_forgot(
    line: tuple[Line, Client], client: Client, namespace: str, picture: Picture
) -> None:
    line[0].down = True
    line[0].cut()
    await client.delete(CONFIGMAPS, "first", namespace)
    await make(client, namespace, "big")
    for number in range(REPEATED):
        change = {"data": {"x": "abcdefghijklm"[number] * BIG}}
        await client.patch(CONFIGMAPS, "big", namespace, change, how=Patch.MERGE)
    line[0].down = False
    await make(client, namespace, "last")
    await picture.until_it_shows("last")
    await is_true(picture, client, namespace)
    assert picture.deleted == ["first"]
    assert any(isinstance(error, Gone) for error in picture.troubles)


@pytest.mark.own_node("compacts etcd and restarts the API server")
async def test_what_vanished_from_a_version_that_the_real_server_compacted(
    line: tuple[Line, Client], client: Client, namespace: str, picture: Picture
) -> None:
    async with line[0].gate:  # refused, the watch would list anew by itself and not see the 410
        line[0].cut()
        await client.delete(CONFIGMAPS, "first", namespace)
        command = (sys.executable, "-m", "tests.real", "forget")
        forgetting = await asyncio.create_subprocess_exec(*command, cwd=ROOT)
        assert await forgetting.wait() == 0
    await make(client, namespace, "last")
    await picture.until_it_shows("last")
    await is_true(picture, client, namespace)
    assert picture.deleted == ["first"]
    assert any(isinstance(error, Gone) for error in picture.troubles)
