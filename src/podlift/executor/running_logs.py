"""The log of a pod that is running, for Airflow's UI. Runs in the API server's process."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from podlift.executor.archive import LogFolder
from podlift.executor.deployment import log_folder
from podlift.executor.engine import connected
from podlift.executor.execution import LOG_PATH
from podlift.kube.client import Client
from podlift.kube.errors import KubeError
from podlift.kube.resources import PODS
from podlift.pods.building import BASE
from podlift.pods.labels import Identity, identity_of, labels_of
from podlift.pods.reading import Pod
from podlift.settings import Settings

if TYPE_CHECKING:
    from airflow.models.taskinstance import TaskInstance

_TIMEOUT = 20.0
"""Seconds a person waits for the page, at most."""


def read_running_log(
    settings: Settings, ti: TaskInstance, try_number: int
) -> tuple[list[str], list[str]]:
    """Where the log is from, and the log; what went wrong is said in the former.

    Nothing is read twice: where the worker's own log file can be read here, Airflow shows that.
    """
    identity = Identity(
        dag_id=ti.dag_id,
        task_id=ti.task_id,
        run_id=ti.run_id,
        ti_id=str(ti.id),
        try_number=try_number,
        map_index=-1 if ti.map_index is None else ti.map_index,
    )
    # A thread of its own, because the caller's may be running a loop already.
    with ThreadPoolExecutor(1, "podlift-log") as thread:
        return thread.submit(asyncio.run, _read(settings, identity, log_folder())).result()


async def _read(
    settings: Settings, identity: Identity, folder: LogFolder
) -> tuple[list[str], list[str]]:
    try:
        async with asyncio.timeout(_TIMEOUT), connected(settings) as client:
            pod = await _find(client, settings, identity)
            if pod is None:
                return ["There is no pod of this try."], []
            return await _tail(client, settings, pod, folder)
    except TimeoutError:
        return [f"The Kubernetes API server did not answer within {_TIMEOUT:g} seconds."], []
    except KubeError as error:
        return [f"The log of the task's pod cannot be read: {error}"], []


async def _find(client: Client, settings: Settings, identity: Identity) -> Pod | None:
    """The pod of this try that was launched last."""
    selector = ",".join(f"{name}={value}" for name, value in labels_of(identity).items())
    pods: list[Pod] = []
    for namespace in settings.namespaces or (None,):
        pods += (await client.list(PODS, namespace, label_selector=selector, type=Pod)).items
    launches = [
        (found.launch, pod)
        for pod in pods
        if (found := identity_of(pod)) and found.ti_id == identity.ti_id
    ]
    return max(launches, key=lambda each: each[0])[1] if launches else None


async def _tail(
    client: Client, settings: Settings, pod: Pod, folder: LogFolder
) -> tuple[list[str], list[str]]:
    name, namespace = pod.metadata.name, pod.metadata.namespace
    source = f"Pod {name} in namespace {namespace}"
    log_path = pod.metadata.annotations.get(LOG_PATH)
    file = folder.path(log_path) if log_path else None
    if file is not None and await asyncio.to_thread(file.exists):
        return [source], []
    lines = settings.running_pod_log_lines
    text = await client.read_log(name, namespace, BASE, tail_lines=lines)
    return [f"{source}, the last {lines} lines"], [text.decode("utf-8", "replace")]
