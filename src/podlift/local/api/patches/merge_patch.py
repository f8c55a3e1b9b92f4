"""JSON Merge Patch, RFC 7386."""

from __future__ import annotations

import copy
from typing import Any


def apply(value: Any, patch: Any) -> Any:
    """*value* with *patch* merged in; null removes, lists are replaced. Inputs stay untouched."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = dict(value) if isinstance(value, dict) else {}
    for key, change in patch.items():
        if change is None:
            result.pop(key, None)
        else:
            result[key] = apply(result.get(key), change)
    return result
