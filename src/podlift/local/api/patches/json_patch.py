"""JSON Patch, RFC 6902."""

from __future__ import annotations

import copy
from typing import Any

from podlift.local import errors

#: More than anybody writes by hand, few enough to be quick.
MOST_OPERATIONS = 10_000


def apply(value: Any, operations: Any) -> Any:
    """*value* with the operations done in order; raises Invalid (or BadRequest for nonsense)."""
    if not isinstance(operations, list):
        raise errors.BadRequest("error decoding patch: a JSON patch is a list of operations")
    if len(operations) > MOST_OPERATIONS:
        raise errors.RequestTooLarge(
            f"The allowed maximum operations in a JSON patch is {MOST_OPERATIONS}, "
            f"got {len(operations)}"
        )
    result = copy.deepcopy(value)
    for operation in operations:
        try:
            result = _one(result, operation)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError):
            raise refused() from None
    return result


def refused() -> errors.Invalid:
    """What the real server says to a patch that cannot be applied."""
    return errors.Invalid(
        "the server rejected our request due to an error in our request", details={}
    )


def _one(document: Any, operation: dict[str, Any]) -> Any:
    kind, path = operation["op"], _pointer(operation["path"])
    if kind == "test":
        if _get(document, path) != operation.get("value"):
            raise ValueError
        return document
    if kind == "remove":
        return _remove(document, path)
    if kind == "add":
        return _add(document, path, operation["value"])
    if kind == "replace":
        _get(document, path)
        return _put(document, path, operation["value"])
    source = _pointer(operation["from"])
    moved = copy.deepcopy(_get(document, source))
    if kind == "move":
        document = _remove(document, source)
    elif kind != "copy":
        raise ValueError
    return _add(document, path, moved)


def _pointer(text: str) -> list[str]:
    if not text:
        return []
    if not text.startswith("/"):
        raise ValueError
    return [part.replace("~1", "/").replace("~0", "~") for part in text[1:].split("/")]


def _index(items: list[Any], step: str) -> int:
    index = int(step)
    if index < 0:
        raise IndexError
    return index


def _get(document: Any, path: list[str]) -> Any:
    for step in path:
        document = (
            document[_index(document, step)] if isinstance(document, list) else document[step]
        )
    return document


def _add(document: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    parent, last = _get(document, path[:-1]), path[-1]
    if isinstance(parent, list):
        index = len(parent) if last == "-" else _index(parent, last)
        if index > len(parent):
            raise IndexError
        parent.insert(index, value)
    else:
        parent[last] = value
    return document


def _put(document: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    parent, last = _get(document, path[:-1]), path[-1]
    parent[_index(parent, last) if isinstance(parent, list) else last] = value
    return document


def _remove(document: Any, path: list[str]) -> Any:
    parent, last = _get(document, path[:-1]), path[-1]
    del parent[_index(parent, last) if isinstance(parent, list) else last]
    return document
