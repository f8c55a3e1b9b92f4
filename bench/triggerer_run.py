"""A process that waits for many pods as a triggerer does: one event loop, one task per trigger.

    python -m bench.triggerer_run podlift|standard KUBECONFIG NAMESPACE

It reads the pods' names from the namespace, and says on standard output, as a line of JSON each,
what waiting costs and what the end of all pods did.
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
_STEADY = 30.0


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


async def main(kind: str, kubeconfig: Path, namespace: str) -> None:
    make = podlift_trigger if kind == "podlift" else standard_trigger
    async with Client(await load_connection(kubeconfig), request_timeout=120) as client:
        pods = (await client.list(PODS, namespace)).items
    make(pods[0], kubeconfig)  # imports what all of them need
    process = psutil.Process()
    before = process.memory_info().rss
    waiting = [asyncio.create_task(_event_of(make(pod, kubeconfig))) for pod in pods]
    await asyncio.sleep(_SETTLE)
    cpu, began = _cpu(process), time.monotonic()
    await asyncio.sleep(_STEADY)
    steady = (_cpu(process) - cpu) / (time.monotonic() - began)
    memory = process.memory_info().rss - before
    _say(waiting=sum(not each.done() for each in waiting), cpu=steady, memory=memory)
    cpu = _cpu(process)
    events = await asyncio.gather(*waiting)
    done = sum(event["status"] == "success" for event in events)
    _say(succeeded=done, cpu_of_ends=_cpu(process) - cpu, peak=process.memory_info().rss - before)


async def _event_of(trigger: Any) -> Any:
    async for event in trigger.run():
        return event.payload
    raise AssertionError("a trigger fires")


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _say(**figures: float) -> None:
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3]))
