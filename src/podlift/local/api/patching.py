"""``patch``: the four ways to change an object in part."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from podlift.local import errors
from podlift.local.api import writing
from podlift.local.api.patches import json_patch, merge_patch
from podlift.local.api.requests import Target
from podlift.local.kinds import Obj
from podlift.local.store import Store


def patch(
    store: Store, target: Target, media: str, data: bytes, query: Mapping[str, str]
) -> writing.Written:
    """Apply a patch of the type that the Content-Type names."""
    if media == "application/merge-patch+json":
        body = _json(data)
        return writing.change(store, target, lambda old: merge_patch.apply(old, body), query, [])
    if media == "application/json-patch+json":
        operations = _json(data)
        return writing.change(
            store, target, lambda old: json_patch.apply(old, operations), query, []
        )
    raise errors.UnsupportedMediaType("415: Unsupported Media Type", details={})


def _json(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise errors.BadRequest(f"error decoding patch: {error}") from error


def _unused(obj: Obj) -> None:
    return None
