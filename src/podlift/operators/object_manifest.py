"""The object that a task creates: the user's, with a name and what makes it findable. Pure."""

from __future__ import annotations

import copy
from typing import Any

import yaml

from podlift.operators.job_manifest import object_name
from podlift.pods.errors import InvalidManifest
from podlift.pods.labels import Identity, annotations_of, labels_of
from podlift.pods.plain import Manifest, to_manifest

COMPONENT_OBJECT = "object"


def read_object(text: str) -> Manifest:
    """The object that a YAML text holds. Raises ``InvalidManifest`` for none or several."""
    try:
        found: list[Any] = [each for each in yaml.safe_load_all(text) if each is not None]
    except yaml.YAMLError as error:
        raise InvalidManifest("body", f"is not YAML: {error}") from None
    if len(found) != 1 or not isinstance(found[0], dict):
        raise InvalidManifest("body", f"must hold one object, not {len(found)} or something else")
    return found[0]


def object_manifest(
    body: Manifest,
    *,
    identity: Identity,
    namespace: str | None,
    default_namespace: str,
    name: str | None,
    default_name: str,
    unique: bool = True,
) -> Manifest:
    """Build the manifest. Raises ``InvalidManifest`` for what is no object."""
    manifest = copy.deepcopy(to_manifest(body))
    for field in ("apiVersion", "kind"):
        if not manifest.get(field):
            raise InvalidManifest(field, "an object needs it")
    metadata = manifest.setdefault("metadata", {})
    if not isinstance(metadata, dict):
        raise InvalidManifest("metadata", "must be a mapping")
    prefix = name or metadata.get("name") or default_name
    metadata |= {
        "name": object_name(prefix, identity, unique=unique, kind_prefix=""),
        "namespace": namespace or metadata.get("namespace") or default_namespace,
        "labels": (metadata.get("labels") or {}) | labels_of(identity, COMPONENT_OBJECT),
        "annotations": (metadata.get("annotations") or {}) | annotations_of(identity),
    }
    manifest.pop("status", None)
    return manifest
