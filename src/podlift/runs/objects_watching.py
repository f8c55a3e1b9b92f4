"""What tells runs of objects, of the objects' pods, and of what is said of both.

One object alone costs three watches: of itself, of its pods, of events. Where a process sees to
many objects, a triggerer, as many as there are share the same three for each namespace and kind.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Any, NamedTuple

from podlift.kube import EVENTS, PODS, Client, KubeError, NotFound, watch
from podlift.kube.pacing import Backoff
from podlift.pods.labels import selector_for
from podlift.pods.plain import Manifest
from podlift.pods.reading import Event, Pod
from podlift.runs.broadcasting import Broadcast, News
from podlift.runs.objects import Reference

_REQUIREMENT = re.compile(r",(?![^(]*\))")
_EQUALS = re.compile(r"(?P<label>[^=!\s(]+)\s*==?(?P<value>[^=]*)")


class Watches:
    """Tells of one object; its pods and events with it.

    Everything raises ``KubeError`` where asking again cannot help: no such right, say.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._open: dict[tuple[Any, ...], Broadcast[Any]] = {}

    async def of_object(self, of: Reference) -> AsyncGenerator[Manifest | None, None]:
        """The object whenever it has changed; None when it is gone."""
        seen = False
        async with self._objects(of).heard(of.uid) as news:
            async for each in news:
                if each.object is not None:
                    seen = True
                    yield None if each.kind == "DELETED" else each.object
                elif not seen:
                    # It may have been created, or deleted, this very moment.
                    seen, found = True, await self._looked_up(of)
                    if found is not None and not self._tells(found):
                        break
                    yield found
        async with aclosing(Watches(self._client).of_object(of)) as changes:
            async for manifest in changes:
                yield manifest

    def of_pods(self, of: Reference, template: str) -> AbstractAsyncContextManager[News[Pod]]:
        """The pods that the selector finds; ``{name}`` and ``{uid}`` in it are the object's."""
        selector, values = self._selection(of, template)
        labels = tuple(values)

        def key(pod: Pod) -> tuple[str | None, ...]:
            return tuple(pod.metadata.labels.get(label) for label in labels)

        def open_watch() -> Any:
            return watch(self._client, PODS, of.namespace, label_selector=selector, type=Pod)

        broadcast = self._shared(("pods", of.namespace, selector, labels), open_watch, key)
        return broadcast.heard(tuple(of.selector(value) for value in values.values()))

    def said_of(self, uid: str, namespace: str) -> AbstractAsyncContextManager[News[Event]]:
        """What is said of one thing, also before anybody listened."""

        def open_watch() -> Any:
            return watch(self._client, EVENTS, namespace, type=Event)

        broadcast = self._shared(
            ("events", namespace), open_watch, lambda event: event.involved_object.uid
        )
        return broadcast.heard(uid)

    # What is asked of the server

    def _objects(self, of: Reference) -> Broadcast[Manifest]:
        labels, fields = self._which(of)

        def open_watch() -> Any:
            return watch(
                self._client,
                of.resource,
                of.namespace,
                label_selector=labels,
                field_selector=fields,
            )

        place = ("objects", of.namespace, of.resource, labels, fields)
        return self._shared(place, open_watch, lambda manifest: manifest["metadata"]["uid"])

    def _which(self, of: Reference) -> tuple[str, str]:
        """Label and field selector of the objects to watch."""
        return "", f"metadata.name={of.name}"

    def _tells(self, manifest: Manifest) -> bool:
        """Whether the watch would tell of this object."""
        return True

    def _selection(self, of: Reference, template: str) -> tuple[str, Mapping[str, str]]:
        return of.selector(template), {}

    def _shared(
        self,
        place: tuple[Any, ...],
        open_watch: Callable[[], Any],
        key: Callable[[Any], Any],
    ) -> Broadcast[Any]:
        if place not in self._open:
            self._open[place] = Broadcast(open_watch, key)
        return self._open[place]

    async def _looked_up(self, of: Reference) -> Manifest | None:
        backoff = Backoff(random.random)
        while True:
            try:
                found = await self._client.get(of.resource, of.name, of.namespace)
            except NotFound:
                return None
            except KubeError as error:
                if not error.transient:
                    raise
                await asyncio.sleep(backoff.next(error))
            else:
                return found if found["metadata"]["uid"] == of.uid else None


class SharedWatches(Watches):
    """Tells any number of runs of their objects, which are those that Podlift made.

    An object that somebody else made is watched by itself.
    """

    def _which(self, of: Reference) -> tuple[str, str]:
        return selector_for(), ""

    def _tells(self, manifest: Manifest) -> bool:
        name, _, value = selector_for().partition("=")
        return (manifest["metadata"].get("labels") or {}).get(name) == value

    def _selection(self, of: Reference, template: str) -> tuple[str, Mapping[str, str]]:
        shape = shape_of(template)
        return of.selector(shape.selector), shape.values


class Shape(NamedTuple):
    """A label selector, apart from what is one object's alone."""

    selector: str
    """Asks only whether there are the labels that tell one object's pods from another's."""
    values: Mapping[str, str]
    """By those labels, the values to look for: still with ``{name}`` and ``{uid}``."""


def shape_of(template: str) -> Shape:
    """What the selectors of all objects have in common that are made of one template. Pure."""
    requirements, values = [], {}
    for requirement in filter(None, map(str.strip, _REQUIREMENT.split(template))):
        equals = _EQUALS.fullmatch(requirement)
        if equals is None or not ("{name}" in equals["value"] or "{uid}" in equals["value"]):
            requirements.append(requirement)
            continue
        requirements.append(equals["label"])
        values[equals["label"]] = equals["value"].strip()
    return Shape(",".join(requirements), values)
