"""Keeping logs from nodes that do not answer, that break off, and that answer slowly."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from podlift.executor.archive import KEPT_LOG_LIMIT, LogFolder
from podlift.executor.copying import Patience
from podlift.executor.execution import Execution
from podlift.executor.keeping import Keeper, Kept
from podlift.executor.state import Verdict
from podlift.kube import Client, Connection
from podlift.kube.access import Access
from podlift.pods.labels import Identity
from podlift.pods.reading import read_pod

pytestmark = pytest.mark.functional

NO_EVENTS = {"kind": "EventList", "apiVersion": "v1", "metadata": {}, "items": []}


async def hello(_: web.BaseRequest) -> web.StreamResponse:
    return web.Response(text="hello\n")


class Node:
    """An API server whose answers for logs are the test's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = ""
        self.asked = 0
        self.at_once = 0
        self.most_at_once = 0
        self.log: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]] = hello

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if not request.path.endswith("/log"):
            return web.json_response(NO_EVENTS)
        self.asked += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            return await self.log(request)
        finally:
            self.at_once -= 1

    async def keep(self, keeper: Keeper, number: int, exit_code: int = 3) -> Kept:
        identity = Identity(
            dag_id="dag",
            task_id=f"task_{number}",
            run_id="run",
            ti_id=str(uuid.uuid4()),
            try_number=1,
        )
        execution = Execution(
            id=uuid.uuid4().hex,
            number=number,
            key=number,  # type: ignore[arg-type]
            whose=identity,
            parts=("dag", "task"),
            namespace="default",
            log_path=f"task_{number}.log",
            pod=_pod(number, exit_code),
            pod_name=f"pod-{number}",
        )
        return await keeper.keep(execution, Verdict(exit_code == 0, "It failed."))

    def kept(self, number: int) -> str:
        files = sorted(self.folder.glob(f"task_{number}.log*"))
        return "".join(file.read_text() for file in files)


def _pod(number: int, exit_code: int) -> Any:
    state = {"terminated": {"exitCode": exit_code, "startedAt": "2026-01-01T00:00:00Z"}}
    status = {"name": "base", "state": state}
    return read_pod(
        {
            "metadata": {"name": f"pod-{number}", "namespace": "default", "uid": f"uid-{number}"},
            "spec": {"nodeName": "node-1"},
            "status": {"phase": "Failed", "containerStatuses": [status]},
        }
    )


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    node = Node(tmp_path / "logs")
    node.folder.mkdir()
    runner = web.ServerRunner(
        web.Server(node.answer, handler_cancellation=True), shutdown_timeout=0.01
    )
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    node.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield node
    await runner.cleanup()


@pytest.fixture
async def client(node: Node) -> AsyncIterator[Client]:
    async with AsyncExitStack() as stack:
        connection = Connection(Access(node.url, "the test"))
        yield await stack.enter_async_context(Client(connection))


async def test_a_node_that_does_not_answer_is_waited_for_once_and_the_cause_is_kept(
    node: Node, client: Client
) -> None:
    async def silent(_: web.BaseRequest) -> web.StreamResponse:
        await asyncio.sleep(60)
        raise AssertionError

    node.log = silent
    keeper = Keeper(client, LogFolder(node.folder), patience=Patience(silence=0.3))
    kept = await asyncio.gather(*(node.keep(keeper, number) for number in range(50)))
    assert all("node-1 does not answer" in each.problem for each in kept)
    assert node.asked <= 8  # those that were under way when the first gave up
    assert all("It failed" in node.kept(n) or "exit code 3" in node.kept(n) for n in range(50))


async def test_a_thousand_logs_are_kept_a_few_at_a_time(node: Node, client: Client) -> None:
    keeper = Keeper(client, LogFolder(node.folder))
    kept = await asyncio.gather(*(node.keep(keeper, number, 0) for number in range(1000)))
    assert all(each == Kept("It failed.") for each in kept)
    assert node.asked == 1000
    assert node.most_at_once <= 8
    assert {node.kept(number) for number in range(1000)} == {"hello\n"}


async def test_a_server_that_is_busy_is_asked_again(node: Node, client: Client) -> None:
    async def busy_first(_: web.BaseRequest) -> web.StreamResponse:
        if node.asked == 1:
            return web.json_response({"kind": "Status", "message": "busy"}, status=503)
        return web.Response(text="hello\n")

    node.log = busy_first
    keeper = Keeper(client, LogFolder(node.folder))
    assert (await node.keep(keeper, 1, 0)).problem == ""
    assert node.kept(1) == "hello\n"


async def test_a_connection_that_always_breaks_leaves_what_came(node: Node, client: Client) -> None:
    async def breaks(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"the beginning\n")
        assert request.transport is not None
        request.transport.close()
        return response

    node.log = breaks
    keeper = Keeper(client, LogFolder(node.folder), patience=Patience(whole=1.0))
    kept = await node.keep(keeper, 1, 0)
    assert "got no whole answer" in kept.problem
    log = node.kept(1)
    assert log.startswith("the beginning\n")
    assert "got no whole answer" in log


async def test_that_a_node_dropped_the_beginning_of_a_long_log_is_said(
    node: Node, client: Client
) -> None:
    async def rotated(request: web.BaseRequest) -> web.StreamResponse:
        if request.query.get("timestamps"):
            return web.Response(text="2026-01-01T01:00:00.000000000Z line\n")
        return web.Response(text="x" * 99 + "\n" + "line\n" * 300_000)

    node.log = rotated
    keeper = Keeper(client, LogFolder(node.folder), KEPT_LOG_LIMIT)
    assert (await node.keep(keeper, 1, 0)).problem == ""
    log = node.kept(1)
    assert "before 2026-01-01 01:00:00 UTC is lost" in log.splitlines()[0]
    assert log.count("\n") == 300_002
