"""Server-side apply: every manager owns the fields that it applied last.

See https://kubernetes.io/docs/reference/using-api/server-side-apply/. Only appliers own fields
here; what others write belongs to nobody, and so never conflicts.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, field
from typing import Any

from podlift.local import errors
from podlift.local.api.schema import Shape
from podlift.local.kinds import Obj
from podlift.local.store import now

_ANY = Shape("any")
_FIXED = ("apiVersion", "kind")
_FIXED_META = ("name", "namespace", "managedFields", "uid", "resourceVersion", "creationTimestamp")

#: A field's name, or the key of a list's item, as in ``metadata.managedFields``.
Step = str
Path = tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Applied:
    """What is applied, by whom."""

    config: Obj
    manager: str
    force: bool = False


@dataclass(slots=True)
class _Owners:
    """The fields of each manager."""

    entries: list[Obj] = field(default_factory=list)
    paths: dict[str, set[Path]] = field(default_factory=dict)

    @classmethod
    def of(cls, meta: Obj) -> _Owners:
        entries = list(meta.get("managedFields") or ())
        applied = [one for one in entries if one.get("operation") == "Apply"]
        paths = {one["manager"]: _decode(one.get("fieldsV1") or {}) for one in applied}
        return cls(applied, paths)


def apply(shape: Shape, value: Obj, applied: Applied) -> Obj:
    """*value* with the configuration applied; raises Conflict unless forced."""
    config = _configured(applied.config)
    owners = _Owners.of(value.get("metadata") or {})
    wanted = set(_paths(shape, config, ()))
    _settle_conflicts(shape, value, config, wanted, owners, applied)
    dropped = owners.paths.get(applied.manager, set()) - wanted
    for manager, paths in owners.paths.items():
        if manager != applied.manager:
            dropped -= paths
    result: Obj = _merge(shape, value, config)
    # An item goes before its fields, which would otherwise leave an item without its key.
    for path in sorted(dropped, key=len):
        result = _without(shape, result, path)
    owners.paths[applied.manager] = wanted
    meta = dict(result.get("metadata") or {})
    meta["managedFields"] = _entries(owners, applied, result)
    return {**result, "metadata": meta}


def _configured(config: Obj) -> Obj:
    kept = {key: one for key, one in config.items() if key not in (*_FIXED, "status", "metadata")}
    meta = {key: v for key, v in (config.get("metadata") or {}).items() if key not in _FIXED_META}
    # What an object is called by belongs to nobody.
    return {**kept, "metadata": meta} if meta else kept


def _paths(shape: Shape, value: Any, at: Path) -> list[Path]:
    """The paths of all leaves, and of the items of keyed lists."""
    if isinstance(value, dict) and not shape.atomic and shape.type in ("object", "map"):
        found: list[Path] = []
        for key, one in value.items():
            found += _paths(_field(shape, key), one, (*at, f"f:{key}"))
        return found or [at]
    if isinstance(value, list) and shape.list_type == "map" and shape.type == "array":
        found = []
        for one in value:
            step = (*at, _item_step(shape, one))
            found += [step, *_paths(shape.items or _ANY, one, step)]
        return found
    if isinstance(value, list) and shape.list_type == "set" and shape.type == "array":
        return [(*at, f"v:{json.dumps(one)}") for one in value]
    return [at] if at else []


def _field(shape: Shape, key: str) -> Shape:
    if shape.fields is not None:
        return shape.fields.get(key, _ANY)
    return shape.items or _ANY


def _item_step(shape: Shape, item: Any) -> Step:
    defaults = {"protocol": "TCP"}
    keys = {key: item.get(key, defaults.get(key)) for key in shape.map_keys}
    return "k:" + json.dumps(keys, separators=(",", ":"), sort_keys=True)


def _merge(shape: Shape, value: Any, config: Any) -> Any:
    if isinstance(config, dict) and not shape.atomic and shape.type in ("object", "map"):
        result = dict(value) if isinstance(value, dict) else {}
        for key, one in config.items():
            result[key] = _merge(_field(shape, key), result.get(key), one)
        return result
    if isinstance(config, list) and shape.type == "array" and isinstance(value, list):
        if shape.list_type == "map":
            return _merge_items(shape, value, config)
        if shape.list_type == "set":
            return [*value, *(one for one in config if one not in value)]
    return copy.deepcopy(config)


def _merge_items(shape: Shape, value: list[Any], config: list[Any]) -> list[Any]:
    items = shape.items or _ANY
    result = {_item_step(shape, one): one for one in value}
    for one in config:
        step = _item_step(shape, one)
        result[step] = _merge(items, result.get(step), one)
    return list(result.values())


def _settle_conflicts(
    shape: Shape, value: Obj, config: Obj, wanted: set[Path], owners: _Owners, applied: Applied
) -> None:
    causes: list[Obj] = []
    for manager, paths in owners.paths.items():
        if manager == applied.manager:
            continue
        clashing = {
            path
            for path in paths & wanted
            if _at(shape, value, path) != _at(shape, config, path)
            and not path[-1].startswith(("k:", "v:"))
        }
        if applied.force:
            owners.paths[manager] = paths - clashing
        causes += [
            {
                "reason": "FieldManagerConflict",
                "message": f'conflict with "{manager}" using v1',
                "field": _shown(path),
            }
            for path in sorted(clashing)
        ]
    if causes and not applied.force:
        plural = "s" if len(causes) > 1 else ""
        listed = ", ".join(f"{one['message']}: {one['field']}" for one in causes)
        raise errors.Conflict(
            f"Apply failed with {len(causes)} conflict{plural}: {listed}",
            details={"causes": causes},
        )


def _at(shape: Shape, value: Any, path: Path) -> Any:
    """The value at a path, None where there is none."""
    for step in path:
        if step.startswith("f:") and isinstance(value, dict):
            value, shape = value.get(step[2:]), _field(shape, step[2:])
        elif step.startswith("k:") and isinstance(value, list):
            value = next((one for one in value if _item_step(shape, one) == step), None)
            shape = shape.items or _ANY
        else:
            return None
    return value


def _without(shape: Shape, value: Any, path: Path) -> Any:
    """*value* without what is at the path; containers that this leaves empty go as well."""
    step, rest = path[0], path[1:]
    if step.startswith("f:") and isinstance(value, dict):
        key = step[2:]
        if key not in value:
            return value
        inner = _without(_field(shape, key), value[key], rest) if rest else None
        left = {name: one for name, one in value.items() if name != key}
        return left if inner in (None, {}, []) else {**value, key: inner}
    if step.startswith("k:") and isinstance(value, list):
        items = shape.items or _ANY
        kept = [
            (_without(items, one, rest) if rest else None)
            if _item_step(shape, one) == step
            else one
            for one in value
        ]
        return [one for one in kept if one is not None]
    if step.startswith("v:") and isinstance(value, list):
        return [one for one in value if f"v:{json.dumps(one)}" != step]
    return value


def _shown(path: Path) -> str:
    """A path as conflicts show it: ``.spec.containers[name="base"].image``."""
    text = ""
    for step in path:
        kind, rest = step[:2], step[2:]
        if kind == "f:":
            text += f".{rest}"
        else:
            keys = json.loads(rest)
            inner = (
                ",".join(f"{key}={json.dumps(one)}" for key, one in keys.items())
                if isinstance(keys, dict)
                else f"={rest}"
            )
            text += f"[{inner}]"
    return text


def _entries(owners: _Owners, applied: Applied, obj: Obj) -> list[Obj]:
    before = {one["manager"]: one for one in owners.entries}
    entries = []
    for manager, paths in owners.paths.items():
        if not paths:
            continue
        old = before.get(manager)
        encoded = _encode(paths)
        if old is not None and old.get("fieldsV1") == encoded:
            entries.append(old)
            continue
        version = applied.config.get("apiVersion") or obj.get("apiVersion")
        entries.append(
            {
                "manager": manager,
                "operation": "Apply",
                "apiVersion": version,
                "time": now(),
                "fieldsType": "FieldsV1",
                "fieldsV1": encoded,
            }
        )
    return entries


def _encode(paths: set[Path]) -> Obj:
    tree: Obj = {}
    for path in sorted(paths):
        node = tree
        for step in path:
            node = node.setdefault(step, {})
        if path[-1].startswith("k:"):
            node["."] = {}
    return tree


def _decode(tree: Obj, at: Path = ()) -> set[Path]:
    found: set[Path] = set()
    for step, below in tree.items():
        if step == ".":
            found.add(at)
        elif below:
            found |= _decode(below, (*at, step))
        else:
            found.add((*at, step))
    return found
