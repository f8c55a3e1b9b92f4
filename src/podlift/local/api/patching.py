"""``patch``: the four ways to change an object in part."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from podlift.local import errors
from podlift.local.api import bodies, writing
from podlift.local.api.patches import apply_patch, json_patch, merge_patch, strategic
from podlift.local.api.patches.apply_patch import Applied
from podlift.local.api.requests import Target
from podlift.local.api.schema import check_fields, shape_of
from podlift.local.errors import Cause
from podlift.local.kinds import Obj
from podlift.local.store import Store

_MERGE = "application/merge-patch+json"
_JSON = "application/json-patch+json"
_STRATEGIC = "application/strategic-merge-patch+json"
_APPLY = ("application/apply-patch+yaml", "application/apply-patch+cbor")


def patch(
    store: Store, target: Target, media: str, data: bytes, query: Mapping[str, str]
) -> writing.Written:
    """Apply a patch of the type that the Content-Type names."""
    if media == _APPLY[0]:
        return _apply(store, target, data, query)
    if media == _MERGE:
        body = _decoded(data)
        make = _checked(target, query, lambda old: merge_patch.apply(old, body))
    elif media == _STRATEGIC:
        body = _decoded(data)
        shape = shape_of(target.kind)
        make = _checked(target, query, lambda old: strategic.apply(shape, old, body))
    elif media == _JSON:
        operations = _decoded(data)
        make = _checked(target, query, lambda old: json_patch.apply(old, operations))
    else:
        raise errors.UnsupportedMediaType("415: Unsupported Media Type", details={})
    return writing.change(store, target, make, query)


def _checked(target: Target, query: Mapping[str, str], make: Callable[[Obj], Obj]) -> writing.Maker:
    """A maker whose result is put into the kind's shape."""

    def checked(old: Obj) -> tuple[Obj, list[str]]:
        new = make(old)
        return new, check_fields(target.kind, new, query.get("fieldValidation", ""))

    return checked


def _apply(store: Store, target: Target, data: bytes, query: Mapping[str, str]) -> writing.Written:
    config = bodies.from_yaml(data)
    if not isinstance(config, dict):
        raise errors.BadRequest("error decoding YAML: an object is expected")
    manager = query.get("fieldManager", "")
    if not manager:
        cause = Cause(
            "FieldValueRequired",
            "fieldManager",
            "Required value: is required for apply patch",
        )
        raise errors.invalid("PatchOptions", "", [cause], "meta.k8s.io")
    bodies.check_kind(config, target.kind)
    warnings = check_fields(target.kind, config, query.get("fieldValidation", ""))
    applied = Applied(config, manager, query.get("force", "").lower() in ("1", "true"))
    shape = shape_of(target.kind)
    if store.find(target.kind, target.namespace, target.name or "") is None:
        meta = config.setdefault("metadata", {})
        meta.setdefault("name", target.name)
        meta.pop("uid", None)
        empty: Obj = {"apiVersion": target.kind.api_version, "kind": target.kind.kind}
        entries = apply_patch.apply(shape, empty, applied)["metadata"]["managedFields"]
        meta["managedFields"] = entries
        written = writing.create(store, target, config, {**query, "fieldValidation": "Ignore"})
        return writing.Written(written.object, True, warnings)
    return writing.change(
        store, target, lambda old: (apply_patch.apply(shape, old, applied), warnings), query
    )


def _decoded(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise errors.BadRequest(f"error decoding patch: {error}") from error
