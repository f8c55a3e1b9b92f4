"""Limit ranges: defaults and bounds for the containers of a namespace.

See https://kubernetes.io/docs/concepts/policy/limit-range/. Bounds of pods as a whole and of
claims are kept and not enforced.
"""

from __future__ import annotations

from collections.abc import Iterable

from podlift.local import errors, quantities
from podlift.local.kinds import POD, Obj

_ANNOTATION = "kubernetes.io/limit-ranger"


def apply(ranges: Iterable[Obj], pod: Obj) -> None:
    """Fill in default requests and limits; raises Forbidden beyond the bounds."""
    items = [
        item
        for one in ranges
        for item in (one.get("spec") or {}).get("limits") or ()
        if item.get("type") == "Container"
    ]
    if not items:
        return
    spec = pod["spec"]
    containers = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    notes = [note for item in items for one in containers for note in _fill(item, one)]
    if notes:
        annotations = pod["metadata"].setdefault("annotations", {})
        annotations[_ANNOTATION] = f"LimitRanger plugin set: {'; '.join(notes)}"
    for item in items:
        for container in containers:
            why = _over(item, container) or _under(item, container)
            if why:
                raise errors.forbidden(POD, pod["metadata"].get("name", ""), why)


def _fill(item: Obj, container: Obj) -> list[str]:
    resources = container.setdefault("resources", {})
    notes = []
    for part, source, word in (
        ("requests", "defaultRequest", "request"),
        ("limits", "default", "limit"),
    ):
        given = resources.get(part) or {}
        # A request defaults to the container's own limit before the namespace's default.
        own = resources.get("limits") or {}
        for name, value in (item.get(source) or {}).items():
            if name in given or (part == "requests" and name in own):
                continue
            given = {**given, name: value}
            notes.append(f"{name} {word} for container {container['name']}")
        if given:
            resources[part] = given
    return notes


def _over(item: Obj, container: Obj) -> str:
    limits = container["resources"].get("limits") or {}
    for name, most in (item.get("max") or {}).items():
        if name not in limits:
            return f"maximum {name} usage per Container is {most}. No limit is specified"
        if quantities.parse(str(limits[name])) > quantities.parse(str(most)):
            return f"maximum {name} usage per Container is {most}, but limit is {limits[name]}"
    return ""


def _under(item: Obj, container: Obj) -> str:
    resources = container["resources"]
    requests = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
    for name, least in (item.get("min") or {}).items():
        if name not in requests:
            return f"minimum {name} usage per Container is {least}. No request is specified"
        if quantities.parse(str(requests[name])) < quantities.parse(str(least)):
            return f"minimum {name} usage per Container is {least}, but request is {requests[name]}"
    return ""
