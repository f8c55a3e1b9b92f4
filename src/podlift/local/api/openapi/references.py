"""Which schemas a schema refers to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_PREFIX = "#/components/schemas/"


def references(value: Any) -> Iterator[str]:
    """The names of all schemas that a schema refers to."""
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"].removeprefix(_PREFIX)
        for part in value.values():
            yield from references(part)
    elif isinstance(value, list):
        for part in value:
            yield from references(part)


def closure(schemas: dict[str, Any], roots: list[str]) -> dict[str, Any]:
    """The roots and everything they refer to, by name."""
    kept: dict[str, Any] = {}
    left = list(roots)
    while left:
        name = left.pop()
        if name not in kept and name in schemas:
            kept[name] = schemas[name]
            left += references(schemas[name])
    return dict(sorted(kept.items()))
