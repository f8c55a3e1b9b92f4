"""What any client has to do: create, watch until it has ended, delete. Nothing else.

    python -m bench.bare_client KUBECONFIG NAMESPACE PODS SECONDS [scheduled]

Deliberately without a line of Podlift but for the kubeconfig: aiohttp and msgspec, 32 requests at
once, one watch. Prints seconds and the CPU seconds of this process as JSON. `scheduled` leaves the
pods' node to a scheduler.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

import aiohttp
import msgspec

from bench.load import NODE, bare_pod
from podlift.kube import load_connection

_AT_ONCE = 32


class _Meta(msgspec.Struct):
    name: str
    version: str = msgspec.field(name="resourceVersion")


class _Status(msgspec.Struct):
    phase: str = ""


class _Pod(msgspec.Struct):
    metadata: _Meta
    status: _Status


class _Event(msgspec.Struct):
    type: str
    object: _Pod


async def run(
    session: aiohttp.ClientSession, path: str, count: int, seconds: float, node: str | None = NODE
) -> None:
    slots = asyncio.Semaphore(_AT_ONCE)
    ended: set[str] = set()
    gone = 0

    async def create(number: int) -> None:
        async with slots:
            body = msgspec.json.encode(bare_pod(number, seconds, node))
            async with session.post(path, data=body) as answer:
                await answer.read()

    async def delete(name: str) -> None:
        async with slots, session.delete(f"{path}/{name}") as answer:
            await answer.read()

    async with session.get(path, params={"limit": "1", "labelSelector": "bench=bare"}) as answer:
        version = (await answer.json())["metadata"]["resourceVersion"]
    tasks = [asyncio.create_task(create(number)) for number in range(count)]
    decoder = msgspec.json.Decoder(_Event)
    while gone < count:
        query = {"watch": "1", "labelSelector": "bench=bare", "resourceVersion": version}
        async with session.get(path, params=query) as events:
            # A busy server ends a watch whose reader it thinks too slow; it goes on from there.
            while gone < count and (line := await events.content.readline()):
                event = decoder.decode(line)
                version, name = event.object.metadata.version, event.object.metadata.name
                gone += event.type == "DELETED"
                if event.object.status.phase == "Succeeded" and name not in ended:
                    ended.add(name)
                    tasks.append(asyncio.create_task(delete(name)))
    await asyncio.gather(*tasks)


async def _main(
    kubeconfig: Path, namespace: str, count: int, seconds: float, node: str | None
) -> None:
    connection = await load_connection(kubeconfig)
    access = await connection.current()
    session = aiohttp.ClientSession(
        access.server,
        headers={**dict(access.headers), "Content-Type": "application/json"},
        connector=aiohttp.TCPConnector(limit=0, ssl=connection.ssl_context),
        raise_for_status=True,
        read_bufsize=2**20,
        timeout=aiohttp.ClientTimeout(total=600),
    )
    async with session:
        began, cpu = time.perf_counter(), time.process_time()
        await run(session, f"/api/v1/namespaces/{namespace}/pods", count, seconds, node)
        spent = {"seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu}
    print(json.dumps(spent))


if __name__ == "__main__":
    place = None if sys.argv[5:] == ["scheduled"] else NODE
    asyncio.run(_main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), place))
