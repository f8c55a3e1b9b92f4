"""Asking the cluster about pods and their events, as every command does it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from podlift.commands.printing import say
from podlift.kube.client import Client
from podlift.kube.errors import Forbidden
from podlift.kube.resources import EVENTS, PODS
from podlift.pods.labels import selector_for
from podlift.pods.reading import Event, Pod
from podlift.settings import Settings

Namespaces = Sequence[str | None]
Events = Mapping[str, Sequence[Event]]


def namespaces_of(settings: Settings, chosen: Sequence[str] | None, every: bool) -> Namespaces:
    """The namespaces to look into; None stands for all of the cluster's."""
    if every:
        return (None,)
    return tuple(chosen or settings.namespaces or (None,))


def selector_of(labels: Mapping[str, str]) -> str:
    """Label selector for those of Podlift's pods that have these labels too."""
    return ",".join([selector_for(), *(f"{name}={value}" for name, value in labels.items())])


async def list_pods(client: Client, namespaces: Namespaces, selector: str) -> list[Pod]:
    """The pods of a label selector. Raises ``KubeError``."""
    pods: list[Pod] = []
    for namespace in namespaces:
        pods += (await client.list(PODS, namespace, label_selector=selector, type=Pod)).items
    return pods


async def events_of_pods(client: Client, pods: Iterable[Pod]) -> Events:
    """The events of these pods, by the pod's uid: one request for each of their namespaces.

    Where we may not read them there are none, which is said once.
    """
    wanted = {pod.metadata.uid for pod in pods}
    found: defaultdict[str, list[Event]] = defaultdict(list)
    for namespace in sorted({pod.metadata.namespace for pod in pods}):
        for event in await list_events(client, namespace, "involvedObject.kind=Pod"):
            if event.involved_object.uid in wanted:
                found[event.involved_object.uid].append(event)
    return found


async def list_events(client: Client, namespace: str, fields: str) -> Sequence[Event]:
    """Events of a namespace by field selector; none, with a word about it, without the right."""
    try:
        return (await client.list(EVENTS, namespace, field_selector=fields, type=Event)).items
    except Forbidden as error:
        say(f"Events are left out, and they say most about pods that do not start: {error}")
        return ()
