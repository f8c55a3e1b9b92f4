"""What it costs a triggerer to wait for a thousand pods, beside the standard provider's trigger.

    python -m bench.triggerer [--pods 1000] [--standard FOLDER ...]

The pods name a node that nobody plays; their status is written by hand. ``--standard`` names the
folders in which apache-airflow-providers-cncf-kubernetes and what it needs were installed
(``pip install --target``); without it only Podlift is measured.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from bench import Unmeasured
from bench.bed import local_cluster, namespace_in
from podlift.kube import PODS, Client, Patch
from podlift.pods.labels import Identity, annotations_of, labels_of

_AT_ONCE = 20
_SECONDS = 300.0


def pod(number: int, namespace: str) -> dict[str, Any]:
    identity = Identity(dag_id="bench", task_id=f"t{number}", run_id="r", ti_id=f"ti-{number}")
    container = {"name": "base", "image": "bench", "command": ["true"]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"bench-{number}",
            "namespace": namespace,
            "labels": labels_of(identity, component="operator"),
            "annotations": annotations_of(identity),
        },
        "spec": {"containers": [container], "nodeName": "nobody", "restartPolicy": "Never"},
    }


def status(phase: str, state: dict[str, Any]) -> dict[str, Any]:
    container = {
        "name": "base",
        "image": "bench",
        "imageID": "",
        "ready": phase == "Running",
        "started": True,
        "restartCount": 0,
        "state": state,
    }
    return {"status": {"phase": phase, "containerStatuses": [container]}}


_NOW = "2026-01-01T00:00:00Z"
RUNNING = status("Running", {"running": {"startedAt": _NOW}})
ENDED = status(
    "Succeeded",
    {
        "terminated": {
            "exitCode": 0,
            "reason": "Completed",
            "startedAt": _NOW,
            "finishedAt": _NOW,
        }
    },
)


async def for_all(
    client: Client, namespace: str, numbers: Iterable[int], body: dict[str, Any]
) -> None:
    """Write a status to pods, some at a time."""
    places = asyncio.Semaphore(_AT_ONCE)

    async def write(name: str) -> None:
        async with places:
            await client.patch(PODS, name, namespace, body, how=Patch.MERGE, subresource="status")

    await asyncio.gather(*(write(f"bench-{each}") for each in numbers))


async def measure(
    kind: str, client: Client, kubeconfig: Path, number: int, folders: Sequence[str], parts: int
) -> dict[str, Any]:
    """One triggerer's figures, with pods of its own, which end one part after the other."""
    if number % parts:
        raise Unmeasured(f"{number} pods cannot end in {parts} equal parts")
    async with namespace_in(kubeconfig) as namespace:
        for each in range(number):
            await client.create(PODS, pod(each, namespace), namespace)
        await for_all(client, namespace, range(number), RUNNING)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.triggerer_run"),
            *(kind, str(kubeconfig), namespace, str(parts)),
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": ":".join(folders)},
        )
        try:
            figures = await _line(process)
            size = number // parts
            figures["parts"] = [
                await _ends(client, namespace, range(first, first + size), process)
                for first in range(0, number, size)
            ]
            return figures
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


async def _ends(
    client: Client, namespace: str, part: Sequence[int], process: asyncio.subprocess.Process
) -> dict[str, Any]:
    """Let some pods end, until the last of them is told."""
    began = time.monotonic()
    await for_all(client, namespace, part, ENDED)
    written = time.monotonic() - began
    told = await _line(process)
    return {**told, "pods": len(part), "written": written, "ends": time.monotonic() - began}


async def _line(process: asyncio.subprocess.Process) -> dict[str, Any]:
    assert process.stdout is not None
    while line := await asyncio.wait_for(process.stdout.readline(), _SECONDS):
        if line.startswith(b"{"):  # else it is Airflow that logs
            found: dict[str, Any] = json.loads(line)
            return found
    raise Unmeasured("the triggerer's process ended before it said anything")


async def main(number: int, folders: Sequence[str]) -> None:
    async with local_cluster() as bed:
        for kind in ("podlift", "standard") if folders else ("podlift",):
            found = await measure(kind, bed.client, bed.kubeconfig, number, folders, 1)
            (cpu,), (ends,) = found["cpu"], found["parts"]
            print(
                f"{kind:9} {found['waiting']:5.0f} pods waited for: "
                f"{cpu * 100:6.2f} % of a core, {found['memory'] / 2**20:6.1f} MiB; "
                f"{ends['succeeded']:.0f} ends told {ends['ends']:.1f} s after the first was "
                f"written ({ends['written']:.1f} s to write all), "
                f"{ends['cpu'] / number * 1000:.2f} ms of CPU each",
                flush=True,
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pods", type=int, default=1000)
    parser.add_argument("--standard", nargs="+", default=[], metavar="FOLDER")
    given = parser.parse_args()
    asyncio.run(main(given.pods, given.standard))
