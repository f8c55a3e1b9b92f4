"""How the cluster's own end shows on its pods: stopped in order, or killed without warning."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from podlift.local import ClusterOptions, LocalCluster
from podlift.local.kinds import POD
from podlift.local.kubelet.contract import LogOptions
from podlift.local.kubelet.places import container_folder, message_file, pod_folder
from podlift.local.kubelet.recovery import kill_leftovers
from podlift.local.kubelet.spawner import MARKER

pytestmark = pytest.mark.functional

Obj = dict[str, Any]

#: Long enough to be found by it, in a way no other test uses.
SLEEP = "86413"

_SERVE = """
import asyncio, json, sys
from pathlib import Path
from podlift.local import ClusterOptions, LocalCluster
from podlift.local.kinds import POD

async def main():
    cluster = LocalCluster(ClusterOptions(Path(sys.argv[1]), sandbox=sys.argv[2]))
    await cluster.start()
    for pod in json.loads(sys.argv[3]):
        cluster.store.create(POD, pod)
    for pod in json.loads(sys.argv[3]):
        name, until = pod["metadata"]["name"], pod["metadata"]["labels"]["until"]
        while cluster.store.get(POD, "default", name)["status"]["phase"] != until:
            await asyncio.sleep(0.02)
    await asyncio.sleep(0.3)
    print("ready", flush=True)
    await asyncio.sleep(3600)

asyncio.run(main())
"""


def pod(name: str, script: str, until: str = "Running") -> Obj:
    container = {"name": "base", "image": "busybox", "command": ["sh", "-c", script]}
    return {
        "metadata": {"name": name, "namespace": "default", "labels": {"until": until}},
        "spec": {
            "nodeName": "podlift-local",
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 1,
            "containers": [container],
        },
        "status": {"phase": "Pending", "qosClass": "BestEffort"},
    }


PODS = [
    pod("runs", f"echo began; trap '' TERM; (setsid sleep {SLEEP} &); sleep {SLEEP}"),
    pod("done", "echo finished", until="Succeeded"),
]


def sleepers() -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if f"sleep\0{SLEEP}".encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


async def until(test: Callable[[], bool], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not test():
        assert time.monotonic() < end
        await asyncio.sleep(0.02)


async def killed(home: Path, sandbox: str) -> None:
    """Run the pods on a cluster of their own, and kill its process."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _SERVE,
        str(home),
        sandbox,
        json.dumps(PODS),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert await asyncio.wait_for(process.stdout.readline(), 20) == b"ready\n"
    assert sleepers()
    await asyncio.sleep(0.7)  # the store writes to the disk now and then
    process.send_signal(signal.SIGKILL)
    await process.wait()


async def stopped(home: Path, sandbox: str) -> None:
    """Run the pods on a cluster in this process, and stop it."""
    cluster = LocalCluster(ClusterOptions(home, sandbox=sandbox))  # type: ignore[arg-type]
    await cluster.start()
    for one in PODS:
        cluster.store.create(POD, one)
    await until(lambda: bool(sleepers()))
    await until(lambda: phase(cluster, "done") == "Succeeded")
    await cluster.stop()
    assert not sleepers()


def phase(cluster: LocalCluster, name: str) -> str:
    return str(cluster.store.get(POD, "default", name)["status"]["phase"])


async def log(cluster: LocalCluster, name: str) -> bytes:
    kubelet = cluster._kubelet
    assert kubelet is not None
    chunks = await kubelet.read_log(cluster.store.get(POD, "default", name), LogOptions())
    return b"".join([chunk async for chunk in chunks])


@pytest.mark.parametrize("sandbox", ["auto", "none"])
@pytest.mark.parametrize(("end", "reason"), [(killed, "NodeLost"), (stopped, "Terminated")])
async def test_nothing_outlives_the_cluster_and_the_next_start_tells(
    tmp_path: Path, sandbox: str, end: Callable[[Path, str], Awaitable[None]], reason: str
) -> None:
    home = tmp_path / "home"
    await end(home, sandbox)
    await until(lambda: not sleepers())
    cluster = LocalCluster(ClusterOptions(home, sandbox=sandbox))  # type: ignore[arg-type]
    await cluster.start()
    try:
        status = cluster.store.get(POD, "default", "runs")["status"]
        assert (status["phase"], status["reason"]) == ("Failed", reason)
        assert status["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 137
        assert any(one["type"] == "DisruptionTarget" for one in status["conditions"])
        assert phase(cluster, "done") == "Succeeded"
        assert await log(cluster, "done") == b"finished\n"
        assert await log(cluster, "runs") == b"began\n"
    finally:
        await cluster.stop()


async def test_leftovers_are_known_by_their_mark(tmp_path: Path) -> None:
    record = message_file(container_folder(pod_folder(tmp_path, "uid"), "base"), 0, "a" * 64)
    record.parent.mkdir(parents=True)
    record.touch()
    marked, other = [
        await asyncio.create_subprocess_exec("sleep", "30", env={MARKER: mark * 64})
        for mark in ("a", "b")
    ]
    assert kill_leftovers(tmp_path) == 1
    assert await asyncio.wait_for(marked.wait(), 5) == -signal.SIGKILL
    assert other.returncode is None
    other.kill()
    await other.wait()
