"""A task's pod as the API server's process looks at it: with a connection for one question each."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from podlift.executor.connecting import connected
from podlift.executor.log_lines import event_lines, log_line, undated_line
from podlift.kube.client import Client
from podlift.kube.errors import KubeError, NotFound
from podlift.kube.resources import EVENTS, PODS
from podlift.pods.building import BASE
from podlift.pods.diagnosis import diagnose
from podlift.pods.labels import Identity, identity_of, labels_of
from podlift.pods.reading import Event, Pod, pending_reason
from podlift.settings import Settings

T = TypeVar("T")

TIMEOUT = 20.0
"""Seconds a person waits for the page, at most."""
_INIT_LINES = 50


def identity_of_row(ti: Any, try_number: int) -> Identity:
    """Whose pod to look for, from a row of Airflow's database."""
    return Identity.of(ti, try_number=try_number)


def in_own_loop(question: Coroutine[Any, Any, T]) -> T:
    """Ask in a thread of its own, because the caller's may be running a loop already."""
    with ThreadPoolExecutor(1, "podlift-log") as thread:
        return thread.submit(asyncio.run, question).result()


async def find_pod(client: Client, settings: Settings, identity: Identity) -> Pod | None:
    """The pod of this try that was launched last. Raises ``KubeError``."""
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


def explain_waiting(settings: Settings, ti: Any) -> tuple[list[str], list[bytes]]:
    """Where it is from, and log lines, of why the task of this row does not run yet."""
    return in_own_loop(_explain_waiting(settings, identity_of_row(ti, ti.try_number)))


async def _explain_waiting(settings: Settings, identity: Identity) -> tuple[list[str], list[bytes]]:
    try:
        async with asyncio.timeout(TIMEOUT), connected(settings) as client:
            pod = await find_pod(client, settings, identity)
            if pod is None:
                return [], [log_line("The task waits for its pod to be created.")]
            source = f"Pod {pod.metadata.name} in namespace {pod.metadata.namespace}"
            return [source], await _why_pending(client, pod)
    except TimeoutError:
        return [f"The Kubernetes API server did not answer within {TIMEOUT:g} seconds."], []
    except KubeError as error:
        return [f"The task's pod cannot be looked at: {error}"], []


async def _why_pending(client: Client, pod: Pod) -> list[bytes]:
    metadata = pod.metadata
    try:
        listing = await client.list(
            EVENTS,
            metadata.namespace,
            field_selector=f"involvedObject.uid={metadata.uid}",
            type=Event,
        )
        events = listing.items
    except KubeError:  # no right to list events: the pod's own status says something too
        events = []
    lines = [*event_lines(events)]
    for container in _begun_before_the_task(pod):
        lines.append(undated_line(f"Init container {container!r}:"))
        lines += await _end_of_log(client, pod, container)
    diagnosis = diagnose(pod, events, main=BASE)
    if diagnosis is not None:
        lines.append(log_line(f"Pod {metadata.name}: {diagnosis}", level="warning"))
    elif reason := pending_reason(pod, events):
        lines.append(log_line(f"Pod {metadata.name} is pending: {reason}."))
    return lines


def _begun_before_the_task(pod: Pod) -> Iterator[str]:
    """Init containers that run, or failed."""
    for status in pod.status.init_container_statuses:
        ended = status.state.terminated
        if status.state.running or (ended is not None and ended.exit_code):
            yield status.name


async def _end_of_log(client: Client, pod: Pod, container: str) -> list[bytes]:
    metadata = pod.metadata
    try:
        text = await client.read_log(
            metadata.name, metadata.namespace, container, tail_lines=_INIT_LINES
        )
    except KubeError as error:
        return [undated_line(f"Its log cannot be read: {error}", level="warning")]
    return text.splitlines(keepends=True)


def address_of(settings: Settings, host: str) -> str | None:
    """The address of the pod with this host name: DNS does not know the pods of a Deployment.

    It is looked for in the namespace of the tasks and in our own. None where there is none.
    """
    try:
        return in_own_loop(_address_of(settings, host.partition(".")[0]))
    except (KubeError, TimeoutError):
        return None


async def _address_of(settings: Settings, name: str) -> str | None:
    async with asyncio.timeout(TIMEOUT), connected(settings) as client:
        for namespace in dict.fromkeys((settings.namespace, client.connection.namespace)):
            try:
                pod = await client.get(PODS, name, namespace)
            except NotFound:
                continue
            if address := pod.get("status", {}).get("podIP"):
                return str(address)
    return None
