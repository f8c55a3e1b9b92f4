"""The one owner of the cluster's objects.

Objects are kept encoded: a pod takes a few kilobytes instead of the tenfold of its dicts, a list
is a join of bytes, and a change is encoded once for all its watchers. Every call is synchronous,
so a caller on the event loop sees no change between two of them.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from podlift.local import errors
from podlift.local.kinds import KINDS, NAMESPACE, Kind, Obj
from podlift.local.store.changes import Change, ChangeType, Event, History, Subscription
from podlift.local.store.disk import Disk
from podlift.local.store.facts import Facts, facts_of

_BY_QUALIFIED = {kind.qualified: kind for kind in KINDS}

#: How far back a watch can be resumed, for each kind.
HISTORY_CHANGES = 4096
HISTORY_BYTES = 8 << 20

#: How many changes a watcher may be behind before its connection is closed.
WATCHER_BACKLOG = 20_000

#: Where versions begin, so that 1 is as old here as it is in any cluster that was used.
FIRST_VERSION = 100

encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(dict).decode


def now() -> str:
    """The time as Kubernetes writes it: UTC, whole seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True)
class Record:
    """One object at one version, encoded."""

    raw: bytes
    version: int
    uid: str
    facts: Facts


class Store:
    """Objects by kind, namespace and name, with versions, history and subscriptions."""

    def __init__(self, disk: Disk | None = None) -> None:
        """Start empty, or with what *disk* holds; without a disk nothing outlives the process."""
        self._disk = disk
        self._records: dict[Kind, dict[str, dict[str, Record]]] = {kind: {} for kind in KINDS}
        self.version = (disk.version() if disk else 0) or FIRST_VERSION
        for (qualified, _, _), raw in disk.load() if disk else ():
            self._load(_BY_QUALIFIED[qualified], raw)
        self._history = {
            kind: History(self.version, most=HISTORY_CHANGES, most_bytes=HISTORY_BYTES)
            for kind in KINDS
        }
        self._subscribers: dict[Kind, list[Subscription[Event]]] = {kind: [] for kind in KINDS}
        self._watchers: dict[Kind, list[Subscription[Change]]] = {kind: [] for kind in KINDS}

    def get(self, kind: Kind, namespace: str | None, name: str) -> Obj:
        """The object; raises :class:`~podlift.local.errors.NotFound`."""
        return decode(self.record(kind, namespace, name).raw)

    def find(self, kind: Kind, namespace: str | None, name: str) -> Obj | None:
        """The object, or None."""
        record = self._find(kind, namespace, name)
        return decode(record.raw) if record else None

    def list(self, kind: Kind, namespace: str | None = None) -> list[Obj]:
        """All objects of a kind (in a namespace), by namespace and name."""
        return [decode(record.raw) for record in self.records(kind, namespace)]

    def record(self, kind: Kind, namespace: str | None, name: str) -> Record:
        """The encoded object; raises :class:`~podlift.local.errors.NotFound`."""
        record = self._find(kind, namespace, name)
        if record is None:
            raise errors.not_found(kind, name)
        return record

    def records(self, kind: Kind, namespace: str | None = None) -> Iterator[Record]:
        """The encoded objects of a kind (in a namespace), by namespace and name."""
        spaces = self._records[kind]
        for space in sorted(spaces) if namespace is None else [namespace]:
            objects = spaces.get(space, {})
            for name in sorted(objects):
                yield objects[name]

    def count(self, kind: Kind) -> int:
        """How many objects of a kind there are."""
        return sum(len(objects) for objects in self._records[kind].values())

    def create(self, kind: Kind, obj: Obj) -> Obj:
        """Store a new object; returns it with uid, resourceVersion and creationTimestamp.

        Raises :class:`~podlift.local.errors.AlreadyExists`.
        """
        meta = obj["metadata"]
        if self._find(kind, meta.get("namespace"), meta["name"]):
            raise errors.already_exists(kind, meta["name"])
        stored = stamped(kind, obj, {"resourceVersion": str(self.version + 1)})
        self._commit(kind, ChangeType.ADDED, stored, before=None)
        return stored

    def modify(
        self,
        kind: Kind,
        namespace: str | None,
        name: str,
        change: Callable[[Obj], None],
        *,
        uid: str | None = None,
    ) -> Obj | None:
        """Let *change* edit a copy of the object and store it, if it then differs.

        Returns the object as it is now, or None where it is gone (or has another uid). What
        *change* raises is passed on, and nothing is stored.
        """
        record = self._find(kind, namespace, name)
        if record is None or (uid is not None and record.uid != uid):
            return None
        obj: Obj = decode(record.raw)
        change(obj)
        if encode(obj) == record.raw:
            return obj
        obj["metadata"]["resourceVersion"] = str(self.version + 1)
        self._commit(kind, ChangeType.MODIFIED, obj, before=record)
        return obj

    def remove(
        self, kind: Kind, namespace: str | None, name: str, *, uid: str | None = None
    ) -> Obj | None:
        """Remove the object for good, whatever its finalizers; returns its last state."""
        record = self._find(kind, namespace, name)
        if record is None or (uid is not None and record.uid != uid):
            return None
        obj: Obj = decode(record.raw)
        obj["metadata"]["resourceVersion"] = str(self.version + 1)
        self._commit(kind, ChangeType.DELETED, obj, before=record)
        return obj

    def subscribe(self, *kinds: Kind) -> Subscription[Event]:
        """Everything that happens to these kinds from now on."""
        subscription: Subscription[Event] = Subscription()
        for kind in kinds:
            self._subscribers[kind].append(subscription)
        return subscription

    def watch(self, kind: Kind, since: int | None) -> Subscription[Change] | None:
        """The changes after a version (None: from now on); None where history forgot them."""
        missed = [] if since is None else self._history[kind].since(since)
        if missed is None:
            return None
        subscription: Subscription[Change] = Subscription(limit=WATCHER_BACKLOG + len(missed))
        for change in missed:
            subscription.put(change)
        self._watchers[kind].append(subscription)
        return subscription

    def close(self) -> None:
        """End all subscriptions and write what is left to the disk."""
        for watchers in self._watchers.values():
            for watcher in watchers:
                watcher.close()
        for subscribers in self._subscribers.values():
            for subscriber in subscribers:
                subscriber.close()
        if self._disk:
            self._disk.close()

    def oldest(self, kind: Kind) -> int:
        """The oldest version from which a watch of *kind* can be resumed."""
        return self._history[kind].floor

    def _find(self, kind: Kind, namespace: str | None, name: str) -> Record | None:
        return self._records[kind].get(namespace or "", {}).get(name)

    def _load(self, kind: Kind, raw: bytes) -> None:
        obj = decode(raw)
        self._keep(kind, obj, raw, int(obj["metadata"]["resourceVersion"]))

    def _keep(self, kind: Kind, obj: Obj, raw: bytes, version: int) -> Record:
        facts = facts_of(kind, obj)
        record = Record(raw, version, obj["metadata"]["uid"], facts)
        self._records[kind].setdefault(facts.namespace, {})[facts.name] = record
        return record

    def _commit(self, kind: Kind, type_: ChangeType, obj: Obj, before: Record | None) -> None:
        raw = encode(obj)
        self.version += 1
        gone = type_ is ChangeType.DELETED
        record = self._keep(kind, obj, raw, self.version)
        facts = record.facts
        if gone:
            self._forget(kind, facts)
        if self._disk:
            key = (kind.qualified, facts.namespace, facts.name)
            self._disk.put(key, None if gone else raw, self.version)
        change = Change(self.version, type_, kind, raw, facts, before.facts if before else None)
        self._publish(change)

    def _forget(self, kind: Kind, facts: Facts) -> None:
        objects = self._records[kind][facts.namespace]
        del objects[facts.name]
        if not objects:
            del self._records[kind][facts.namespace]

    def _publish(self, change: Change) -> None:
        kind = change.kind
        self._history[kind].append(change)
        watchers = self._watchers[kind]
        for watcher in watchers:
            watcher.put(change)
        if any(watcher.closed for watcher in watchers):
            self._watchers[kind] = [watcher for watcher in watchers if not watcher.closed]
        subscribers = self._subscribers[kind]
        if not subscribers:
            return
        # Writers may go on with the dict that they were given, so followers get their own.
        event = Event(change.type, kind, decode(change.raw))
        for subscriber in subscribers:
            subscriber.put(event)
        if any(subscriber.closed for subscriber in subscribers):
            self._subscribers[kind] = [one for one in subscribers if not one.closed]


def stamped(kind: Kind, obj: Obj, more: Obj) -> Obj:
    """A new object's full form, kind first: with uid, creationTimestamp and *more* metadata."""
    given = obj["metadata"]
    meta: Obj = {"name": given["name"]}
    if given.get("generateName"):
        meta["generateName"] = given["generateName"]
    if kind.namespaced:
        meta["namespace"] = given["namespace"]
    meta["uid"] = given.get("uid") or str(uuid.uuid4())
    meta |= more
    if kind.has_generation:
        meta["generation"] = 1
    meta["creationTimestamp"] = now()
    meta |= {key: value for key, value in given.items() if key not in meta}
    if kind is NAMESPACE:
        meta["labels"] = {
            **(given.get("labels") or {}),
            "kubernetes.io/metadata.name": meta["name"],
        }
    head: Obj = {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": meta}
    return head | {key: value for key, value in obj.items() if key not in head}
