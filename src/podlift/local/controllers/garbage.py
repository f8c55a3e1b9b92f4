"""Garbage collection: what belongs to an object goes with it.

See https://kubernetes.io/docs/concepts/architecture/garbage-collection/
"""

from __future__ import annotations

from dataclasses import dataclass

from podlift.local.api.deleting import pod_grace
from podlift.local.kinds import EVENT, KINDS, POD, Kind, Obj, kind_of_object
from podlift.local.store import (
    ChangeType,
    Event,
    Store,
    Subscription,
    begin_deletion,
    drop_finalizer,
)

_FOREGROUND = "foregroundDeletion"
_ORPHAN = "orphan"


@dataclass(frozen=True, slots=True)
class _Place:
    kind: Kind
    namespace: str | None
    name: str


class GarbageCollector:
    """Follows owner references by uid."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._places: dict[str, _Place] = {}
        self._owners: dict[str, list[Obj]] = {}
        self._dependents: dict[str, set[str]] = {}

    async def run(self) -> None:
        """Look at every change, and once at everything."""
        kinds = [kind for kind in KINDS if kind is not EVENT]
        events: Subscription[Event] = self._store.subscribe(*kinds)
        present = [Event(ChangeType.ADDED, k, obj) for k in kinds for obj in self._store.list(k)]
        for event in present:
            self._note(event)
        for event in present:
            self._look(event)
        while batch := await events.batch():
            for event in batch:
                self._note(event)
            for event in batch:
                self._look(event)

    def _note(self, event: Event) -> None:
        meta = event.object["metadata"]
        uid = meta["uid"]
        for owner in self._owners.pop(uid, ()):
            self._dependents.get(owner["uid"], set()).discard(uid)
        if event.type is ChangeType.DELETED:
            self._places.pop(uid, None)
            return
        self._places[uid] = _Place(event.kind, meta.get("namespace"), meta["name"])
        owners = meta.get("ownerReferences") or []
        if owners:
            self._owners[uid] = owners
            for owner in owners:
                self._dependents.setdefault(owner["uid"], set()).add(uid)

    def _look(self, event: Event) -> None:
        meta = event.object["metadata"]
        uid = meta["uid"]
        if event.type is ChangeType.DELETED:
            for dependent in list(self._dependents.pop(uid, ())):
                self._judge(dependent)
            for owner in meta.get("ownerReferences") or ():
                self._finish_foreground(owner["uid"])
            return
        if uid in self._owners:
            self._judge(uid)
        if meta.get("deletionTimestamp"):
            if _ORPHAN in (meta.get("finalizers") or ()):
                self._orphan(uid, event)
            self._finish_foreground(uid)

    def _judge(self, uid: str) -> None:
        """Delete an object whose owners are all gone."""
        owners, place = self._owners.get(uid), self._places.get(uid)
        if not owners or place is None:
            return
        if any(self._is_there(owner, place) for owner in owners):
            return
        obj = self._store.find(place.kind, place.namespace, place.name)
        if obj is not None and obj["metadata"]["uid"] == uid:
            self._delete(place.kind, obj)

    def _is_there(self, owner: Obj, place: _Place) -> bool:
        kind = kind_of_object(owner.get("apiVersion", ""), owner.get("kind", ""))
        if kind is None:
            # An owner of a kind that is not served here cannot be looked up, so it stays.
            return True
        found = self._places.get(owner["uid"])
        return (
            found is not None
            and found.kind is kind
            and found.namespace
            in (
                None,
                place.namespace,
            )
        )

    def _delete(self, kind: Kind, obj: Obj) -> None:
        if obj["metadata"].get("deletionTimestamp") is None:
            grace = pod_grace(obj, None) if kind is POD else 0
            begin_deletion(self._store, kind, obj, grace)

    def _orphan(self, uid: str, event: Event) -> None:
        for dependent in list(self._dependents.get(uid, ())):
            place = self._places[dependent]

            def release(copy: Obj) -> None:
                owners = copy["metadata"].get("ownerReferences") or ()
                left = [one for one in owners if one["uid"] != uid]
                copy["metadata"].pop("ownerReferences", None)
                if left:
                    copy["metadata"]["ownerReferences"] = left

            self._store.modify(place.kind, place.namespace, place.name, release, uid=dependent)
            # The change comes round as an event; until then it must not be taken for garbage.
            self._owners.pop(dependent, None)
        self._dependents.pop(uid, None)
        drop_finalizer(self._store, event.kind, event.object, _ORPHAN)

    def _finish_foreground(self, uid: str) -> None:
        """Delete the dependents of an owner that waits for them; with none left, let it go."""
        place = self._places.get(uid)
        owner = self._store.find(place.kind, place.namespace, place.name) if place else None
        if place is None or owner is None or owner["metadata"]["uid"] != uid:
            return
        meta = owner["metadata"]
        if meta.get("deletionTimestamp") is None or _FOREGROUND not in (
            meta.get("finalizers") or ()
        ):
            return
        left = self._dependents.get(uid, set())
        for dependent in list(left):
            below = self._places[dependent]
            obj = self._store.find(below.kind, below.namespace, below.name)
            if obj is not None:
                self._delete(below.kind, obj)
        if not left:
            drop_finalizer(self._store, place.kind, owner, _FOREGROUND)
