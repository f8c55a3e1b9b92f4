"""A process that waits for many pods as a triggerer does: one event loop, one task per trigger.

    python -m bench.triggerer_run podlift|standard KUBECONFIG NAMESPACE PARTS

It reads the pods' names from the namespace, and says on standard output, as a line of JSON each,
what waiting costs, taken as often as there are parts, and what the ends of each part of the pods
did.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import psutil
import yaml

from podlift.kube import PODS, Client, load_connection

_SETTLE = 20.0
_STEADY = 20.0
"""Seconds, in as many windows as there are parts."""


def podlift_trigger(pod: dict[str, Any], kubeconfig: Path) -> Any:
    from podlift.triggers.pod import KubernetesPodTrigger

    metadata = pod["metadata"]
    return KubernetesPodTrigger(
        pod_name=metadata["name"],
        pod_namespace=metadata["namespace"],
        pod_uid=metadata["uid"],
        manifest={"metadata": {"labels": metadata["labels"], "annotations": {}}, "spec": {}},
        options={"logs_of": []},
        hook={"conn_id": None, "config_file": str(kubeconfig)},
    )


def standard_trigger(pod: dict[str, Any], kubeconfig: Path) -> Any:
    module = import_module("airflow.providers.cncf.kubernetes.triggers.pod")
    metadata = pod["metadata"]
    return module.KubernetesPodTrigger(
        pod_name=metadata["name"],
        pod_namespace=metadata["namespace"],
        trigger_start_time=datetime.now(UTC),
        base_container_name="base",
        kubernetes_conn_id=None,
        config_dict=yaml.safe_load(kubeconfig.read_text()),
        in_cluster=False,
        get_logs=False,
    )


async def main(kind: str, kubeconfig: Path, namespace: str, parts: int) -> None:
    make = podlift_trigger if kind == "podlift" else standard_trigger
    async with Client(await load_connection(kubeconfig), request_timeout=120) as client:
        pods = (await client.list(PODS, namespace)).items
    make(pods[0], kubeconfig)  # imports what all of them need
    process = psutil.Process()
    before = process.memory_info().rss
    waiting = [asyncio.create_task(_event_of(make(pod, kubeconfig))) for pod in pods]
    await asyncio.sleep(_SETTLE)
    steady = [await _steady(process, _STEADY / parts) for _ in range(parts)]
    memory = process.memory_info().rss - before
    _say(waiting=sum(not each.done() for each in waiting), cpu=steady, memory=memory)
    cpu, done = _cpu(process), 0
    for number, event in enumerate(asyncio.as_completed(waiting), 1):
        done += (await event)["status"] == "success"
        if number % (len(pods) // parts) == 0:
            peak = process.memory_info().rss - before
            _say(succeeded=done, cpu=_cpu(process) - cpu, peak=peak)
            cpu = _cpu(process)


async def _steady(process: psutil.Process, seconds: float) -> float:
    """CPU seconds a second."""
    cpu, began = _cpu(process), time.monotonic()
    await asyncio.sleep(seconds)
    return (_cpu(process) - cpu) / (time.monotonic() - began)


async def _event_of(trigger: Any) -> Any:
    async for event in trigger.run():
        return event.payload
    raise AssertionError("a trigger fires")


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _say(**figures: float | list[float]) -> None:
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])))
