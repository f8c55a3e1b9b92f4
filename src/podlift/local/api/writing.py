"""``create``, ``update`` and ``patch``: from a body to a stored object."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from podlift.local import errors
from podlift.local.api import admission
from podlift.local.api.requests import Target
from podlift.local.api.rules import rules_of
from podlift.local.api.rules.names import check_metadata
from podlift.local.api.rules.pod_defaults import fill_template_spec, suffix
from podlift.local.api.schema import check_fields
from podlift.local.kinds import POD, Kind, Obj
from podlift.local.store import Store, remove_released
from podlift.local.store.objects import decode, encode, stamped

#: The store of a real cluster takes no larger objects.
MOST_OBJECT_BYTES = 1_572_864

#: What the server alone decides; a client's word on it is ignored.
_SERVERS_OWN = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")


@dataclass(frozen=True, slots=True)
class Written:
    """The object as it now is, and the warnings that go along in headers."""

    object: Obj
    created: bool = False
    warnings: list[str] = field(default_factory=list)


#: Makes the new object of a copy of the present one, and says what to warn of.
Maker = Callable[[Obj], tuple[Obj, list[str]]]


class _StoreFull(errors.InternalError):
    """The real server passes on what etcd says, without a reason."""

    reason = ""


def is_dry_run(query: Mapping[str, str]) -> bool:
    """Whether ``dryRun=All`` is asked for; raises Invalid for another value."""
    asked = query.get("dryRun", "")
    if asked not in ("", "All"):
        cause = errors.Cause(
            "FieldValueNotSupported",
            "dryRun",
            f'Unsupported value: "{asked}": supported values: "All"',
        )
        raise errors.invalid("CreateOptions", "", [cause], "meta.k8s.io")
    return asked == "All"


def create(store: Store, target: Target, body: Obj, query: Mapping[str, str]) -> Written:
    """Complete, check, admit and store a new object."""
    kind = target.kind
    dry_run = is_dry_run(query)
    warnings = check_fields(kind, body, query.get("fieldValidation", ""))
    meta = _own_metadata(body)
    _place(kind, meta, target.namespace)
    if not meta.get("name") and meta.get("generateName"):
        meta["name"] = str(meta["generateName"])[:58] + suffix()
    meta["uid"] = str(uuid.uuid4())
    for part in ("spec",) if kind.has_generation or kind.has_status else ():
        body.setdefault(part, {})
    rules = rules_of(kind)
    admission.check_namespace(store, kind, meta)
    admission.before_defaults(store, kind, body)
    rules.fill(body)
    rules.settle(body)
    admission.after_defaults(store, kind, body)
    causes = check_metadata(kind, body) + rules.check(body)
    if causes:
        raise errors.invalid(kind.kind, meta.get("name", ""), causes, kind.group)
    _check_size(body)
    if dry_run:
        admission.check_quota(store, kind, body)
        return Written(stamped(kind, body, {}), True, warnings)
    if store.find(kind, meta.get("namespace"), meta["name"]):
        raise errors.already_exists(kind, meta["name"])
    admission.check_quota(store, kind, body)
    return Written(store.create(kind, body), True, warnings)


def update(store: Store, target: Target, body: Obj, query: Mapping[str, str]) -> Written:
    """Replace an object (or its status) by the body."""
    warnings = check_fields(target.kind, body, query.get("fieldValidation", ""))
    _place(target.kind, body.setdefault("metadata", {}), target.namespace)
    name = body["metadata"].setdefault("name", target.name)
    if name != target.name:
        raise errors.BadRequest(
            f"the name of the object ({name}) does not match the name on the URL ({target.name})"
        )
    return change(store, target, lambda old: (body, warnings), query)


def change(store: Store, target: Target, make: Maker, query: Mapping[str, str]) -> Written:
    """Store what *make* turns the present object into, completed and checked."""
    kind = target.kind
    raw = store.record(kind, target.namespace, target.name or "").raw
    old: Obj = decode(raw)
    made, warnings = make(decode(raw))
    new = _next(target, old, made)
    if new == old or is_dry_run(query):
        return Written(new, warnings=warnings)
    _check_size(new)

    def put(obj: Obj) -> None:
        obj.clear()
        obj.update(new)

    stored = store.modify(kind, target.namespace, target.name or "", put)
    if stored is None:
        raise errors.not_found(kind, target.name or "")
    remove_released(store, kind, stored)
    return Written(stored, warnings=warnings)


def _next(target: Target, old: Obj, new: Obj) -> Obj:
    """The object after the write: identity and what this path may not touch stay as they are."""
    kind = target.kind
    wanted, meta = new.get("metadata") or {}, old["metadata"]
    if wanted.get("uid") and wanted["uid"] != meta["uid"]:
        raise errors.wrong_precondition(kind, meta["name"], "UID", wanted["uid"], meta["uid"])
    if wanted.get("resourceVersion") and wanted["resourceVersion"] != meta["resourceVersion"]:
        raise errors.modified_meanwhile(kind, meta["name"])
    if target.subresource == "status":
        return {**old, "metadata": meta, "status": new.get("status") or {}}
    result = {
        "kind": kind.kind,
        "apiVersion": kind.api_version,
        "metadata": _merged_metadata(meta, wanted),
        **{
            key: value
            for key, value in new.items()
            if key not in ("kind", "apiVersion", "metadata")
        },
    }
    if kind.has_status:
        result.pop("status", None)
        if "status" in old:
            result["status"] = old["status"]
    if kind is POD:
        fill_template_spec(result.setdefault("spec", {}))
    _check_next(kind, result, old)
    if kind.has_generation and result.get("spec") != old.get("spec"):
        result["metadata"]["generation"] = meta.get("generation", 1) + 1
    return result


def _check_next(kind: Kind, new: Obj, old: Obj) -> None:
    rules = rules_of(kind)
    rules.settle(new)
    causes = check_metadata(kind, new) + rules.check(new) + rules.check_update(new, old)
    if causes:
        raise errors.invalid(kind.kind, new["metadata"]["name"], causes, kind.group)


def _merged_metadata(old: Obj, new: Obj) -> Obj:
    fixed = ("name", "generateName", "namespace", "resourceVersion", "generation", *_SERVERS_OWN)
    kept = {key: value for key, value in old.items() if key in fixed}
    given = {key: value for key, value in new.items() if key not in fixed}
    if "managedFields" in old:
        given.setdefault("managedFields", old["managedFields"])
    return kept | {key: value for key, value in given.items() if value not in (None, {}, [])}


def _own_metadata(body: Obj) -> Obj:
    meta = body.get("metadata") or {}
    if meta.get("resourceVersion"):
        raise errors.BadRequest("resourceVersion should not be set on objects to be created")
    own = {
        key: value
        for key, value in meta.items()
        if key not in (*_SERVERS_OWN, "resourceVersion", "generation", "selfLink")
        and value not in (None, {}, [])
    }
    body["metadata"] = own
    return own


def _place(kind: Kind, meta: Obj, namespace: str | None) -> None:
    """Settle the namespace; the body may repeat the path's and nothing else."""
    if not kind.namespaced:
        meta.pop("namespace", None)
        return
    if meta.get("namespace") not in (None, "", namespace):
        raise errors.BadRequest(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    meta["namespace"] = namespace


def _check_size(obj: Obj) -> None:
    if len(encode(obj)) > MOST_OBJECT_BYTES:
        raise _StoreFull("etcdserver: request is too large")
