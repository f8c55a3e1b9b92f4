"""A closed client leaves no connection behind, whatever the server is doing."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import warnings
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from podlift.kube import PODS, Client, load_connection, watch

if TYPE_CHECKING:
    from tests.functional.conftest import Cluster

pytestmark = [
    pytest.mark.functional,
    pytest.mark.local_only("stops the server's process for a moment"),
]


async def leave_in_the_middle(kubeconfig: Path, server: int) -> None:
    """Cancel a watch and lists while the server says nothing any more, and close the client."""
    async with Client(await load_connection(config_file=str(kubeconfig))) as client:

        async def watching() -> None:
            async for _ in watch(client, PODS, "default"):
                pass

        async def listing() -> None:
            while True:
                await client.list(PODS, "default")

        await client.list(PODS, "default")
        running = [asyncio.ensure_future(watching()), *map(_start, [listing] * 4)]
        await asyncio.sleep(0.02)
        os.kill(server, signal.SIGSTOP)
        for each in running:
            each.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def _start(work: Callable[[], Coroutine[None, None, None]]) -> asyncio.Future[None]:
    return asyncio.ensure_future(work())


def test_requests_cancelled_on_a_silent_server_leave_no_connection(bare_cluster: Cluster) -> None:
    server = json.loads((bare_cluster.kubeconfig.parent / "cluster.json").read_text())["pid"]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        for _ in range(5):
            try:
                asyncio.run(leave_in_the_middle(bare_cluster.kubeconfig, server))
            finally:
                os.kill(server, signal.SIGCONT)
            gc.collect()
    assert [str(each.message) for each in caught] == []
