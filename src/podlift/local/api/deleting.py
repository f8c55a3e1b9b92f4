"""``delete`` and ``deletecollection``, gracefully and with preconditions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podlift.local import errors
from podlift.local.api.requests import Target
from podlift.local.api.selectors import selector_of
from podlift.local.api.writing import is_dry_run
from podlift.local.kinds import NAMESPACE, POD, Kind, Obj
from podlift.local.store import Store, begin_deletion
from podlift.local.store.objects import decode

_FINALIZERS = {"Orphan": "orphan", "Foreground": "foregroundDeletion"}
_POLICIES = ("Background", "Foreground", "Orphan")


def delete(store: Store, target: Target, options: Obj, query: Mapping[str, str]) -> Obj:
    """Delete one object; returns the body of the answer."""
    options = {**_from_query(query), **options}
    kind, name = target.kind, target.name or ""
    obj = store.get(kind, target.namespace, name)
    _check_preconditions(kind, obj, options.get("preconditions") or {})
    if is_dry_run(query) or options.get("dryRun"):
        return obj
    return _delete(store, kind, obj, options)


def delete_collection(
    store: Store, target: Target, options: Obj, query: Mapping[str, str]
) -> list[Obj]:
    """Delete what the selectors match; returns the objects as they were then."""
    options = {**_from_query(query), **options}
    selector = selector_of(target.kind, target.namespace, None, query)
    matching = [one for one in store.records(target.kind) if selector.matches(one.facts)]
    objects = [decode(record.raw) for record in matching]
    if not is_dry_run(query) and not options.get("dryRun"):
        for obj in objects:
            _delete(store, target.kind, obj, options)
    return objects


def pod_grace(pod: Obj, asked: int | None) -> int:
    """The seconds that a pod has to end: none where nothing runs or it is over.

    See https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination
    """
    if not pod["spec"].get("nodeName"):
        return 0
    if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return 0
    if asked is not None:
        return max(asked, 0)
    return int(pod["spec"].get("terminationGracePeriodSeconds", 30))


def _delete(store: Store, kind: Kind, obj: Obj, options: Obj) -> Obj:
    meta = obj["metadata"]
    namespace, name = meta.get("namespace"), meta["name"]
    if kind is NAMESPACE:
        return _terminate_namespace(store, name)
    _hold_for_dependents(store, kind, obj, options)
    current = store.get(kind, namespace, name)
    asked = options.get("gracePeriodSeconds")
    grace = pod_grace(current, asked) if kind is POD else 0
    after = begin_deletion(store, kind, current, grace)
    if after is None:
        raise errors.not_found(kind, name)
    if kind is POD or after["metadata"].get("finalizers"):
        return after
    return _success(kind, after)


def _terminate_namespace(store: Store, name: str) -> Obj:
    def mark(namespace: Obj) -> None:
        namespace["status"] = {**(namespace.get("status") or {}), "phase": "Terminating"}

    if name in ("default", "kube-system", "kube-public"):
        raise errors.forbidden(NAMESPACE, name, "this namespace may not be deleted")
    marked = store.modify(NAMESPACE, None, name, mark)
    after = begin_deletion(store, NAMESPACE, marked, 0) if marked else None
    if after is None:
        raise errors.not_found(NAMESPACE, name)
    return after


def _hold_for_dependents(store: Store, kind: Kind, obj: Obj, options: Obj) -> None:
    """Let the garbage collector see to dependents first, where the client wants it so."""
    policy = options.get("propagationPolicy")
    if options.get("orphanDependents"):
        policy = "Orphan"
    if policy not in (None, *_POLICIES):
        known = ", ".join(f'"{one}"' for one in _POLICIES)
        text = f'Unsupported value: "{policy}": supported values: {known}'
        cause = errors.Cause("FieldValueNotSupported", "propagationPolicy", text)
        raise errors.invalid("DeleteOptions", "", [cause], "meta.k8s.io")
    finalizer = _FINALIZERS.get(policy or "")
    if finalizer is None:
        return
    meta = obj["metadata"]

    def hold(copy: Obj) -> None:
        present = copy["metadata"].get("finalizers") or []
        if finalizer not in present:
            copy["metadata"]["finalizers"] = [*present, finalizer]

    store.modify(kind, meta.get("namespace"), meta["name"], hold, uid=meta["uid"])


def _check_preconditions(kind: Kind, obj: Obj, wanted: Obj) -> None:
    meta = obj["metadata"]
    for key, word in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
        value = wanted.get(key)
        if value is not None and value != meta[key]:
            raise errors.wrong_precondition(kind, meta["name"], word, value, meta[key])


def _from_query(query: Mapping[str, str]) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if query.get("gracePeriodSeconds", "").lstrip("-").isdigit():
        options["gracePeriodSeconds"] = int(query["gracePeriodSeconds"])
    if query.get("propagationPolicy"):
        options["propagationPolicy"] = query["propagationPolicy"]
    return options


def _success(kind: Kind, obj: Obj) -> Obj:
    details: Obj = {"name": obj["metadata"]["name"]}
    if kind.group:
        details["group"] = kind.group
    details |= {"kind": kind.plural, "uid": obj["metadata"]["uid"]}
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": details,
    }
