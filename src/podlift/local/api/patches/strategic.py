"""Strategic merge patch: lists are merged by key, as the schema says.

See https://kubernetes.io/docs/tasks/manage-kubernetes-objects/update-api-object-kubectl-patch/
"""

from __future__ import annotations

import copy
from typing import Any

from podlift.local import errors
from podlift.local.api.schema import Shape

_DIRECTIVE = "$patch"
_RETAIN = "$retainKeys"
_DELETE_PRIMITIVE = "$deleteFromPrimitiveList/"
_ORDER = "$setElementOrder/"
_ANY = Shape("any")


def apply(shape: Shape, value: Any, patch: Any) -> Any:
    """*value* with *patch* merged in; inputs stay untouched. Raises BadRequest for nonsense."""
    if not isinstance(patch, dict):
        raise errors.BadRequest("error decoding patch: a strategic merge patch is an object")
    return _merge_object(shape, value if isinstance(value, dict) else {}, patch)


def _merge_object(shape: Shape, value: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    directive = patch.get(_DIRECTIVE)
    if directive == "replace":
        replaced: dict[str, Any] = _plain(patch)
        return replaced
    if directive == "delete":
        return {}
    if directive not in (None, "merge"):
        raise errors.BadRequest(f"Unknown patch type: {directive}")
    result = dict(value)
    if _RETAIN in patch:
        result = {key: one for key, one in result.items() if key in patch[_RETAIN]}
    for key, change in patch.items():
        if key.startswith(_DELETE_PRIMITIVE):
            name = key.removeprefix(_DELETE_PRIMITIVE)
            result[name] = [one for one in result.get(name) or () if one not in change]
        elif key.startswith("$"):
            continue
        elif change is None:
            result.pop(key, None)
        else:
            result[key] = _merge(_inner(shape, key), result.get(key), change)
    for key, order in patch.items():
        if key.startswith(_ORDER):
            name = key.removeprefix(_ORDER)
            if result.get(name):
                result[name] = _ordered(_inner(shape, name), result[name], order)
    return result


def _inner(shape: Shape, key: str) -> Shape:
    if shape.fields is not None:
        return shape.fields.get(key, _ANY)
    return shape.items or _ANY if shape.type == "map" else _ANY


def _merge(shape: Shape, value: Any, change: Any) -> Any:
    if isinstance(change, dict):
        return _merge_object(shape, value if isinstance(value, dict) else {}, change)
    if not isinstance(change, list):
        return change
    if not shape.merges:
        return _plain(change)
    present = value if isinstance(value, list) else []
    if not shape.merge_key:
        return [*present, *(one for one in change if one not in present)]
    return _merge_list(shape, present, change)


def _merge_list(shape: Shape, value: list[Any], change: list[Any]) -> list[Any]:
    key, items = shape.merge_key, shape.items or _ANY
    if any(isinstance(one, dict) and one == {_DIRECTIVE: "replace"} for one in change):
        replaced: list[Any] = _plain([one for one in change if one.get(_DIRECTIVE) != "replace"])
        return replaced
    result = list(value)
    for one in change:
        if not isinstance(one, dict) or key not in one:
            raise errors.BadRequest(f"map: {one} does not contain declared merge key: {key}")
        index = next((i for i, old in enumerate(result) if old.get(key) == one[key]), None)
        directive = one.get(_DIRECTIVE)
        if directive == "delete":
            result = [old for old in result if old.get(key) != one[key]]
        elif index is None:
            result.append(_merge_object(items, {}, one))
        else:
            result[index] = _merge_object(items, result[index], one)
    return result


def _ordered(shape: Shape, value: list[Any], order: list[Any]) -> list[Any]:
    """Items in the given order; those that it does not name stay behind the one before them."""
    key = shape.merge_key

    def name(one: Any) -> Any:
        return one.get(key) if isinstance(one, dict) else one

    wanted = {name(one): index for index, one in enumerate(order)}
    ranked, last = [], -1
    for position, one in enumerate(value):
        last = wanted.get(name(one), last)
        ranked.append((last, position, one))
    return [one for _, _, one in sorted(ranked, key=lambda entry: entry[:2])]


def _plain(value: Any) -> Any:
    """A copy without directives and nulls."""
    if isinstance(value, dict):
        return {
            key: _plain(one)
            for key, one in value.items()
            if one is not None and not key.startswith("$")
        }
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return copy.copy(value)
