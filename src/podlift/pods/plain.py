"""What users hand in, made plain: a pod is a dict that matches the API.

Models of the ``kubernetes`` and ``kubernetes_asyncio`` clients are recognised by the two tables
that every generated model carries, so neither package is imported.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any, TypeAlias

from podlift.pods.errors import InvalidManifest

Manifest: TypeAlias = dict[str, Any]
"""A Kubernetes object as JSON: dicts, lists, strings, numbers, booleans and None."""


def to_manifest(value: object, *, keep_nulls: bool = False) -> Manifest:
    """Turn a dict or a Kubernetes client's model object into a new, plain manifest.

    A field that is None is left out, because a model holds None for everything that nobody set.
    ``keep_nulls`` keeps those that a *dict* names, for an override in which null means "delete".
    The input is not changed, and nothing of it is shared.

    Raises ``InvalidManifest`` with the field's path for what JSON cannot hold.
    """
    plain = _plain(value, "", keep_nulls)
    if not isinstance(plain, dict):
        raise InvalidManifest("", f"a manifest is a mapping, not {_kind(value)}")
    return plain


def _plain(value: object, path: str, keep_nulls: bool) -> object:
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, dict):
        return _mapping(value, path, keep_nulls)
    if isinstance(value, list | tuple):
        return [_plain(item, f"{path}[{index}]", keep_nulls) for index, item in enumerate(value)]
    if isinstance(value, datetime):
        return _rfc3339(value)
    if isinstance(value, date):
        return value.isoformat()
    if _is_model(value):
        return _model(value, path, keep_nulls)
    raise InvalidManifest(path, f"{_kind(value)} cannot be part of a manifest; give plain values")


def _mapping(value: dict[object, object], path: str, keep_nulls: bool) -> Manifest:
    plain: Manifest = {}
    for key, item in value.items():
        if not isinstance(key, str):
            raise InvalidManifest(path, f"the key {key!r} must be text; put it in quotes")
        if item is not None or keep_nulls:
            plain[key] = _plain(item, f"{path}.{key}" if path else key, keep_nulls)
    return plain


def _is_model(value: object) -> bool:
    tables = (getattr(type(value), name, None) for name in ("openapi_types", "attribute_map"))
    return all(isinstance(table, dict) for table in tables)


def _model(value: Any, path: str, keep_nulls: bool) -> Manifest:
    fields = {wire: getattr(value, name) for name, wire in type(value).attribute_map.items()}
    set_fields: dict[object, object] = {k: v for k, v in fields.items() if v is not None}
    return _mapping(set_fields, path, keep_nulls)


def _rfc3339(moment: datetime) -> str:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _kind(value: object) -> str:
    return f"a {type(value).__name__}"
