"""What the cluster still knows of a task instance: its pods, and events also of those that went."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from podlift.commands.explaining.records import Records, Try
from podlift.commands.looking import Namespaces, list_events, list_pods, selector_of
from podlift.kube.client import Client
from podlift.kube.errors import KubeError
from podlift.pods.labels import Identity, identity_of
from podlift.pods.naming import label_value, pod_name
from podlift.pods.reading import Event, Pod
from podlift.settings import Settings

_NAMED = re.compile(r"[Pp]od ([a-z0-9][a-z0-9-]*-\d+)\b")


@dataclass(frozen=True)
class Launch:
    """One pod of one try, with its events. ``pod`` is None once it is gone."""

    name: str
    number: int
    try_number: int
    pod: Pod | None = None
    events: tuple[Event, ...] = ()


@dataclass(frozen=True)
class Traces:
    """What is left in the cluster."""

    launches: tuple[Launch, ...] = ()
    """By try and number of launch."""
    problem: str = ""
    """Why the cluster could not be asked."""

    def of_try(self, number: int) -> Sequence[Launch]:
        """The launches of one try."""
        return [each for each in self.launches if each.try_number == number]


async def look(
    client: Client, namespaces: Namespaces, records: Records, settings: Settings
) -> Traces:
    """Find every pod of the tries, and the events of those that are gone.

    Kubernetes keeps events for an hour, whatever became of their pod. A pod's name follows from the
    try's id and the number of the launch, so they are found by name.
    """
    try:
        pods = await _pods(client, namespaces, records)
        names = _names(records, settings, pods)
        asked = [
            list_events(client, namespace, f"involvedObject.name={name}")
            for namespace in _places(namespaces, pods.values(), settings)
            for name in names
        ]
        events = [event for some in await asyncio.gather(*asked) for event in some]
    except KubeError as error:
        return Traces(problem=f"The cluster could not be asked: {error}")
    launches = []
    for name, (try_number, launch) in names.items():
        own = tuple(event for event in events if event.involved_object.name == name)
        pod = pods.get(name)
        if pod is not None or own:
            launches.append(Launch(name, launch, try_number, pod, own))
    return Traces(tuple(sorted(launches, key=lambda each: (each.try_number, each.number))))


async def find_pod(client: Client, namespaces: Namespaces, name: str) -> Identity | None:
    """Whose pod this is; None where no pod of Podlift's has the name."""
    for pod in await list_pods(client, namespaces, selector_of({})):
        if pod.metadata.name == name:
            return identity_of(pod)
    return None


async def _pods(client: Client, namespaces: Namespaces, records: Records) -> dict[str, Pod]:
    values = {name: label_value(getattr(records, name)) for name in ("dag_id", "task_id", "run_id")}
    ids = {each.ti_id for each in records.tries}
    found = {}
    for pod in await list_pods(client, namespaces, selector_of(values)):
        identity = identity_of(pod)
        if identity is not None and identity.ti_id in ids and _is_workers(pod):
            found[pod.metadata.name] = pod
    return found


def _is_workers(pod: Pod) -> bool:
    return pod.metadata.labels.get("app.kubernetes.io/component") == "worker"


def _names(
    records: Records, settings: Settings, pods: dict[str, Pod]
) -> dict[str, tuple[int, int]]:
    """Try and launch of every pod that there is or may have been, by its name."""
    names: dict[str, tuple[int, int]] = {}
    for each in records.tries:
        for launch in range(1, _launches(records, each, settings) + 1):
            parts = (records.dag_id, records.task_id)
            names[pod_name(parts, each.ti_id, launch)] = each.number, launch
    for name, pod in pods.items():
        identity = identity_of(pod)
        assert identity is not None
        names[name] = identity.try_number, identity.launch
    return names


def _launches(records: Records, each: Try, settings: Settings) -> int:
    """How many pods the try may have had: as many as were named, or as the settings allow."""
    said = [each.pod_name, *(entry.text for entry in records.entries)]
    named = [name for text in said for name in (text, *_NAMED.findall(text))]
    ours = [int(name.rpartition("-")[2]) for name in named if _is_of(name, records, each)]
    return max([*ours, settings.infrastructure_retries + 1])


def _is_of(name: str, records: Records, each: Try) -> bool:
    number = name.rpartition("-")[2]
    if not number.isdecimal():
        return False
    return pod_name((records.dag_id, records.task_id), each.ti_id, int(number)) == name


def _places(namespaces: Namespaces, pods: Iterable[Pod], settings: Settings) -> Sequence[str]:
    """Where the pods may have been; all of the cluster's namespaces would be too many to ask."""
    known = [each for each in namespaces if each is not None] or [settings.namespace]
    return list(dict.fromkeys([*known, *(pod.metadata.namespace for pod in pods)]))
