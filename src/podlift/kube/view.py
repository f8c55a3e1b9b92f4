"""What a watcher knows of the cluster, and what is news to it. Pure: no server, no clock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, Literal, NamedTuple, TypeVar, get_origin

import msgspec

T = TypeVar("T")

EventKind = Literal["ADDED", "MODIFIED", "DELETED", "SYNCED"]


class WatchEvent(msgspec.Struct, Generic[T], frozen=True):
    """One piece of news.

    `object` is the object as it is now, for DELETED as it was last seen, and None for SYNCED, which
    says that everything that was there when the server was last asked has been told.
    """

    kind: EventKind
    object: T | None = None


class Identity(NamedTuple):
    """Which object something is, and which version of it."""

    namespace: str
    name: str
    uid: str
    version: str


Identify = Callable[[Any], Identity]


class View(Generic[T]):
    """The objects known to be there, by namespace and name, and the news that each answer makes.

    Whoever applies the news to an empty picture has the server's own picture at every SYNCED. An
    object is bound to its uid: a name that was deleted and made again is DELETED, then ADDED, also
    when nobody saw it go.
    """

    def __init__(self, identify: Identify) -> None:
        self._identify = identify
        self._known: dict[tuple[str, str], T] = {}

    def replace(self, items: Iterable[T]) -> Iterator[WatchEvent[T]]:
        """A list was read: what is new, what has changed, what has vanished."""
        vanished = dict.fromkeys(self._known)
        for item in items:
            vanished.pop(self._identify(item)[:2], None)
            yield from self.put(item)
        for key in vanished:
            yield WatchEvent("DELETED", self._known.pop(key))

    def put(self, item: T) -> Iterator[WatchEvent[T]]:
        """An object is there. No news if this version of it is known."""
        namespace, name, uid, version = self._identify(item)
        key = (namespace, name)
        known = self._known.get(key)
        self._known[key] = item
        if known is None:
            yield WatchEvent("ADDED", item)
            return
        before = self._identify(known)
        if before.uid != uid:
            yield WatchEvent("DELETED", known)
            yield WatchEvent("ADDED", item)
        elif before.version != version:
            yield WatchEvent("MODIFIED", item)

    def remove(self, item: T) -> Iterator[WatchEvent[T]]:
        """An object is gone, `item` being its last state. No news if another has taken its name."""
        identity = self._identify(item)
        known = self._known.get(identity[:2])
        if known is not None and self._identify(known).uid == identity.uid:
            del self._known[identity[:2]]
            yield WatchEvent("DELETED", item)


def identify_with(wanted: Any) -> Identify:
    """How to tell objects of a type apart: dicts, or Structs with `metadata`.

    A Struct's metadata must have name, namespace, uid and resource_version.
    """
    return _identify_dict if (get_origin(wanted) or wanted) is dict else _identify_struct


def _identify_dict(item: dict[str, Any]) -> Identity:
    metadata = item["metadata"]
    return Identity(
        metadata.get("namespace", ""),
        metadata["name"],
        metadata.get("uid", ""),
        metadata.get("resourceVersion", ""),
    )


def _identify_struct(item: Any) -> Identity:
    metadata = item.metadata
    return Identity(metadata.namespace, metadata.name, metadata.uid, metadata.resource_version)
