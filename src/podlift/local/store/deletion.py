"""How objects go away: graceful deletion and finalizers.

See https://kubernetes.io/docs/concepts/overview/working-with-objects/finalizers/ and
https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from podlift.local.kinds import POD, Kind, Obj
from podlift.local.store.objects import Store


def begin_deletion(store: Store, kind: Kind, obj: Obj, grace_seconds: int) -> Obj | None:
    """Mark the object as being deleted and, where nothing holds it, remove it.

    A grace period above 0 leaves a pod to the kubelet. Returns the object as the client of the
    deletion sees it; None where it was gone already.
    """
    meta = obj["metadata"]
    namespace, name, uid = meta.get("namespace"), meta["name"], meta["uid"]
    wait = grace_seconds if kind is POD else 0
    if not is_held(obj) and kind is not POD:
        return store.remove(kind, namespace, name, uid=uid)
    marked = store.modify(kind, namespace, name, lambda copy: _mark(kind, copy, wait), uid=uid)
    if marked is None or wait > 0 or is_held(marked):
        return marked
    store.remove(kind, namespace, name, uid=uid)
    return marked


def finish_deletion(store: Store, pod: Obj) -> None:
    """The kubelet is done with a deleted pod: remove it, or leave it to its finalizers."""
    begin_deletion(store, POD, pod, 0)


def drop_finalizer(store: Store, kind: Kind, obj: Obj, finalizer: str) -> None:
    """Take one finalizer off, and remove the object where that was the last thing to hold it."""
    meta = obj["metadata"]

    def drop(copy: Obj) -> None:
        left = [one for one in copy["metadata"].get("finalizers") or () if one != finalizer]
        copy["metadata"].pop("finalizers", None)
        if left:
            copy["metadata"]["finalizers"] = left

    after = store.modify(kind, meta.get("namespace"), meta["name"], drop, uid=meta["uid"])
    if after is not None:
        remove_released(store, kind, after)


def remove_released(store: Store, kind: Kind, obj: Obj) -> None:
    """Remove an object in deletion that nothing holds any more."""
    meta = obj["metadata"]
    if meta.get("deletionTimestamp") is None or is_held(obj):
        return
    if kind is POD and meta.get("deletionGracePeriodSeconds") != 0:
        return
    store.remove(kind, meta.get("namespace"), meta["name"], uid=meta["uid"])


def is_held(obj: Obj) -> bool:
    """Whether a finalizer keeps the object; a namespace has one of its own in its spec."""
    return bool(obj["metadata"].get("finalizers") or (obj.get("spec") or {}).get("finalizers"))


def _mark(kind: Kind, obj: Obj, grace_seconds: int) -> None:
    meta = obj["metadata"]
    already = meta.get("deletionTimestamp") is not None
    # A second deletion may only shorten what the first one granted.
    if already and grace_seconds >= (meta.get("deletionGracePeriodSeconds") or 0):
        return
    if not already:
        due = datetime.now(UTC) + timedelta(seconds=grace_seconds)
        meta["deletionTimestamp"] = due.strftime("%Y-%m-%dT%H:%M:%SZ")
        if kind.has_generation:
            meta["generation"] = meta.get("generation", 1) + 1
    else:  # the time of the request stays what it was
        due = datetime.fromisoformat(meta["deletionTimestamp"])
        due += timedelta(seconds=grace_seconds - (meta.get("deletionGracePeriodSeconds") or 0))
        meta["deletionTimestamp"] = due.strftime("%Y-%m-%dT%H:%M:%SZ")
    meta["deletionGracePeriodSeconds"] = grace_seconds
