"""Lay one manifest over another as the API server's strategic merge does.

Mappings are merged key by key and null takes a key away; a list is replaced as a whole, except the
lists of the table below, whose elements are found by their key. ``$patch: replace`` and
``$patch: delete`` in a mapping work as they do in ``kubectl patch``. Rules:
https://github.com/kubernetes/community/blob/main/contributors/devel/sig-api-machinery/strategic-merge-patch.md
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podlift.pods.errors import InvalidManifest
from podlift.pods.plain import Manifest

MERGE_KEYS: Mapping[str, tuple[str, ...]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "ephemeralContainers": ("name",),
    "volumes": ("name",),
    "env": ("name",),
    "imagePullSecrets": ("name",),
    "resourceClaims": ("name",),
    "claims": ("name",),
    "schedulingGates": ("name",),
    "volumeMounts": ("mountPath",),
    "volumeDevices": ("devicePath",),
    "hostAliases": ("ip",),
    "ownerReferences": ("uid",),
    # The schema's patch key is the first of each pair alone, and then one port number cannot be
    # both TCP and UDP. Its list-map-keys, which the server checks, name both.
    "ports": ("containerPort", "protocol"),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    # Atomic for the server. An override that adds one toleration and thereby loses the template's
    # is never meant, so they are merged by all that makes a toleration what it is.
    "tolerations": ("key", "operator", "value", "effect"),
}
"""Which lists are merged element by element, and by which fields an element is recognised."""

_REQUIRED = {name: keys[:1] for name, keys in MERGE_KEYS.items()} | {"tolerations": ()}
_DEFAULTS = {"protocol": "TCP", "operator": "Equal"}

_RETAIN_KEYS = frozenset({"volumes", "resourceClaims"})  # patch strategy "merge,retainKeys"
_EITHER_OR = {"env": frozenset({"value", "valueFrom"})}
_SETS = frozenset({"finalizers"})

_DIRECTIVE = "$patch"


def strategic_merge(base: Manifest, override: Manifest) -> Manifest:
    """Return ``base`` with ``override`` laid over it; neither is changed.

    Elements of keyed lists keep the base's order, and new ones follow in the override's. Where two
    forms of one thing exclude each other (a volume's source, ``value`` and ``valueFrom``), the
    override's form takes the place of the base's.

    Raises ``InvalidManifest`` for a directive that is not known and for an element of a keyed list
    that lacks its key.
    """
    return merge_into(copied(base), override)


def merge_into(base: Manifest, override: Manifest) -> Manifest:
    """The same for who owns ``base`` and needs it no more: what is returned is made of it.

    After ``InvalidManifest`` it is half merged.
    """
    merged = _merge_mapping(base, override, "")
    return {} if merged is None else merged


def copied(value: Any) -> Any:
    """A copy that shares nothing with JSON-like data; many times as fast as ``copy.deepcopy``."""
    if isinstance(value, dict):
        return {k: item if type(item) is str else copied(item) for k, item in value.items()}
    if isinstance(value, list):
        return [copied(item) for item in value]
    return value


# Below, ``base`` is a copy of its own and is changed in place; ``override`` never is.


def _merge_mapping(base: Manifest, override: Manifest, path: str) -> Manifest | None:
    """None says that the override asks to delete the whole mapping."""
    directive = _directive(override, path)
    if directive == "delete":
        return None
    merged = {} if directive == "replace" else base
    for key, value in override.items():
        if key == _DIRECTIVE:
            continue
        if type(value) is str:  # most are, and there is nothing to merge
            merged[key] = value
            continue
        outcome = _merge_value(key, merged.get(key), value, f"{path}.{key}" if path else key)
        if outcome is None:
            merged.pop(key, None)
        else:
            merged[key] = outcome
    return merged


def _merge_value(field: str, base: Any, override: Any, path: str) -> Any:
    if isinstance(override, dict):
        return _merge_mapping(base if isinstance(base, dict) else {}, override, path)
    if isinstance(override, list):
        base = base if isinstance(base, list) else []
        if field in MERGE_KEYS:
            return _merge_keyed(field, base, override, path)
        if field in _SETS:
            return [*base, *(item for item in override if item not in base)]
    return copied(override)


def _merge_keyed(field: str, base: list[Any], override: list[Any], path: str) -> list[Any]:
    merged = _after_replace(base, override)
    keys = [_key_of(field, element, f"{path}[{i}]") for i, element in enumerate(merged)]
    for index, element in enumerate(override):
        where = f"{path}[{index}]"
        if element == {_DIRECTIVE: "replace"}:
            continue
        key = _key_of(field, element, where)
        at = keys.index(key) if key in keys else None
        outcome = _merge_element(field, merged[at] if at is not None else {}, element, where)
        if outcome is None and at is not None:
            del merged[at], keys[at]
        elif outcome is not None and at is not None:
            merged[at] = outcome
        elif outcome is not None:
            merged.append(outcome)
            keys.append(key)
    return merged


def _after_replace(base: list[Any], override: list[Any]) -> list[Any]:
    """``- $patch: replace`` as an element of its own empties the list before the rest is added."""
    return [] if {_DIRECTIVE: "replace"} in override else base


def _merge_element(field: str, base: Manifest, override: Manifest, path: str) -> Manifest | None:
    kept = base
    if field in _RETAIN_KEYS and set(override) - set(MERGE_KEYS[field]) - {_DIRECTIVE}:
        kept = {key: value for key, value in base.items() if key in override}
    alternatives = _EITHER_OR.get(field, frozenset())
    if alternatives & {key for key, value in override.items() if value is not None}:
        kept = {k: v for k, v in base.items() if k not in alternatives or k in override}
    return _merge_mapping(kept, override, path)


def _key_of(field: str, element: Any, path: str) -> tuple[Any, ...]:
    if not isinstance(element, dict):
        raise InvalidManifest(path, f"must be a mapping, not {type(element).__name__}")
    for name in _REQUIRED[field]:
        if element.get(name) is None:
            raise InvalidManifest(path, f"needs {name!r}: elements of {field!r} are told by it")
    keys = (element.get(name) for name in MERGE_KEYS[field])
    return tuple(
        _DEFAULTS.get(name) if key is None else key
        for name, key in zip(MERGE_KEYS[field], keys, strict=True)
    )


def _directive(override: Manifest, path: str) -> str | None:
    for key in override:
        if key.startswith("$") and key != _DIRECTIVE:
            raise InvalidManifest(path, f"the directive {key!r} is not supported; only $patch is")
    directive = override.get(_DIRECTIVE)
    if directive not in (None, "merge", "replace", "delete"):
        raise InvalidManifest(path, f"$patch is merge, replace or delete, not {directive!r}")
    return directive
