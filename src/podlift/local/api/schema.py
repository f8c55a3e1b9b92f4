"""The shape of objects, from the OpenAPI schemas: unknown fields and wrong types."""

from __future__ import annotations

from podlift.local.kinds import Kind, Obj


def check_fields(kind: Kind, body: Obj, how: str) -> list[str]:
    """Warnings on unknown fields."""
    return []
