"""What the API server would refuse or quietly drop, found before anything is sent.

Only the mistakes that people make: a message that names the field and the way out, instead of an
answer from a server about a pod that a program put together. The server remains the judge.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from podlift.pods.errors import InvalidManifest
from podlift.pods.plain import Manifest

_CONTAINER_LISTS = ("initContainers", "containers")


def check_shape(manifest: Manifest, what: str) -> None:
    """Check a template or an override: it may be incomplete, but what is there must be a pod's.

    ``what`` names it in messages. Raises ``InvalidManifest``.
    """
    for field, wanted in (("kind", "Pod"), ("apiVersion", "v1")):
        if manifest.get(field, wanted) != wanted:
            raise InvalidManifest(field, f"{what} must be a {wanted}, not {manifest[field]!r}")
    for field in ("metadata", "spec"):
        if not isinstance(manifest.get(field, {}), dict):
            raise InvalidManifest(field, f"must be a mapping in {what}")
    spec = manifest.get("spec", {})
    _check_keys(spec, "spec")
    _check_names(list(_containers(spec)))
    _check_names(list(_elements(spec, "volumes", "spec")))


def check_pod(manifest: Manifest) -> None:
    """Check a whole pod before it is created. Raises ``InvalidManifest``."""
    check_shape(manifest, "the manifest")
    spec = manifest.get("spec", {})
    if not spec.get("containers"):
        raise InvalidManifest("spec.containers", "a pod needs at least one container")
    volumes = {volume["name"] for _, volume in _elements(spec, "volumes", "spec")}
    for path, container in _containers(spec):
        if not container.get("image"):
            raise InvalidManifest(f"{path}.image", f"container {container['name']!r} has no image")
        for where, mount in _elements(container, "volumeMounts", path):
            if mount.get("name") not in volumes:
                problem = f"there is no volume {mount.get('name')!r} in spec.volumes"
                raise InvalidManifest(f"{where}.name", problem)


def _containers(spec: Manifest) -> Iterator[tuple[str, Manifest]]:
    """Init containers and containers, with their paths: their names must differ among them all."""
    for field in _CONTAINER_LISTS:
        for path, container in _elements(spec, field, "spec"):
            _check_keys(container, path)
            yield path, container


def _elements(parent: Manifest, field: str, path: str) -> Iterator[tuple[str, Manifest]]:
    elements = parent.get(field)
    if elements is None:
        return
    if not isinstance(elements, list):
        raise InvalidManifest(f"{path}.{field}", f"must be a list, not {_kind(elements)}")
    for index, element in enumerate(elements):
        where = f"{path}.{field}[{index}]"
        if not isinstance(element, dict):
            raise InvalidManifest(where, f"must be a mapping, not {_kind(element)}")
        if "$patch" not in element or len(element) > 1:
            yield where, element


def _check_names(named: list[tuple[str, Manifest]]) -> None:
    seen: dict[str, str] = {}
    for path, element in named:
        name = element.get("name")
        if not isinstance(name, str) or not name:
            raise InvalidManifest(f"{path}.name", "needs a name")
        if name in seen:
            raise InvalidManifest(f"{path}.name", f"{name!r} is the name of {seen[name]} already")
        seen[name] = path


def _check_keys(mapping: Manifest, path: str) -> None:
    """A field in Python's spelling is unknown to the server, which would drop it with a warning."""
    for key in mapping:
        head, *tail = key.split("_")
        if tail:
            right = head + "".join(part.capitalize() for part in tail)
            raise InvalidManifest(f"{path}.{key}", f"is no field; Kubernetes spells it {right!r}")


def _kind(value: Any) -> str:
    return f"a {type(value).__name__}"
