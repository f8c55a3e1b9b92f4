"""exec and attach over websockets, as recorded from a real cluster."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest

pytestmark = pytest.mark.functional

RECORDING = Path(__file__).parents[2] / "data" / "kube-recordings" / "exec-and-attach.json"
V5 = pytest.mark.since_minor(30, "exec and attach speak v5")
CASES = {case["name"]: case for case in json.loads(RECORDING.read_text())}


@pytest.fixture
async def pods(cluster: Any, namespace: str) -> str:
    """The path of a namespace's pods, with a pod of two running containers."""
    base = f"/api/v1/namespaces/{namespace}/pods"
    containers = [
        {
            "name": "base",
            "image": "busybox:1.36",
            "command": ["sh", "-c", "read a; echo got $a; echo err >&2"],
        },
        {"name": "other", "image": "busybox:1.36", "command": ["sleep", "60"]},
    ]
    containers[0]["stdin"] = True  # type: ignore[assignment]
    spec = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1, "containers": containers}
    cluster.request("POST", base, {"metadata": {"name": "ws"}, "spec": spec})
    end = time.monotonic() + 60
    while True:
        body = cluster.request("GET", f"{base}/ws")[1]
        states = body["status"].get("containerStatuses") or [{}]
        if all("running" in one.get("state", {}) for one in states):
            break
        assert time.monotonic() < end, body
        await asyncio.sleep(0.03)
    return base


async def frames(
    cluster: Any, path: str, protocols: list[str], sent: list[tuple[int, bytes]]
) -> tuple[str | None, dict[int, bytes], list[int]]:
    """The protocol chosen, what came on each channel, and the order of channels."""
    headers = {"Authorization": f"Bearer {cluster.token}"}
    said: dict[int, bytes] = {}
    order: list[int] = []
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.ws_connect(
            cluster.url + path, protocols=protocols, ssl=cluster.tls(), max_msg_size=0
        ) as socket,
    ):
        for channel, data in sent:
            await socket.send_bytes(bytes([channel]) + data)
        async for message in socket:
            said[message.data[0]] = said.get(message.data[0], b"") + message.data[1:]
            order.append(message.data[0])
        protocol = socket.protocol
    await _closed()
    return protocol, said, order


async def _closed() -> None:
    """Give TLS the moment that it needs to close, as aiohttp's documentation advises."""
    await asyncio.sleep(0.1)


@pytest.mark.parametrize(
    "name",
    [
        "exec success v4",
        pytest.param("exec exit 3", marks=V5),
        pytest.param("exec stdin then close (v5 close frame 255,0)", marks=V5),
    ],
)
async def test_exec_says_what_a_real_cluster_said(cluster: Any, pods: str, name: str) -> None:
    case = CASES[name]
    path = f"{pods}/ws/{case['path'].rpartition('/')[2]}"
    sent = [
        (one["channel"], one["data"].encode()) for one in case["frames"] if one["dir"] == "client"
    ]
    protocol, said, order = await frames(cluster, path, case["offered"], sent)
    assert protocol == case["selected"]
    wanted: dict[int, bytes] = {}
    for one in case["frames"]:
        if one["dir"] == "server":
            wanted[one["channel"]] = wanted.get(one["channel"], b"") + one["data"].encode()
    # The recorder joined the first, empty frames of both channels into one.
    assert {**wanted, 2: wanted.get(2, b"")} == {**said, 2: said.get(2, b"")}
    assert (order[0], order[-1]) == (1, 3)


@V5
async def test_attach_connects_to_the_container_itself(cluster: Any, pods: str) -> None:
    path = f"{pods}/ws/attach?container=base&stdin=true&stdout=true&stderr=true"
    _, said, _ = await frames(cluster, path, ["v5.channel.k8s.io"], [(0, b"world\n")])
    assert said[1] == b"got world\n"
    assert said[2] == b"err\n"
    assert json.loads(said[3]) == {"metadata": {}, "status": "Success"}


@V5
async def test_a_command_that_is_not_there_is_named(cluster: Any, pods: str) -> None:
    path = f"{pods}/ws/exec?container=other&stdout=true&command=/no/such"
    _, said, _ = await frames(cluster, path, ["v5.channel.k8s.io"], [])
    status = json.loads(said[3])
    assert (status["status"], status["reason"], status["code"]) == ("Failure", "InternalError", 500)
    assert "/no/such" in status["message"]


@pytest.mark.parametrize(
    ("query", "protocol", "status"),
    [
        ("ws/exec?container=nope&stdout=true&command=ls", "v5.channel.k8s.io", 400),
        ("nope/exec?container=base&stdout=true&command=ls", "v5.channel.k8s.io", 404),
        ("ws/exec?container=other&stdout=true&command=ls", "v9.nope", 403),
    ],
)
async def test_a_handshake_is_refused(
    cluster: Any, pods: str, query: str, protocol: str, status: int
) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await frames(cluster, f"{pods}/{query}", [protocol], [])
    await _closed()
    assert caught.value.status == status


@V5
async def test_much_output_arrives_whole(cluster: Any, pods: str) -> None:
    script = "head%20-c%203000000%20/dev/zero"
    path = f"{pods}/ws/exec?container=other&stdout=true&command=sh&command=-c&command={script}"
    _, said, _ = await frames(cluster, path, ["v5.channel.k8s.io"], [])
    assert len(said[1]) == 3_000_000
