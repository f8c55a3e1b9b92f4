"""The objects that a YAML text describes. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from podlift.operators.errors import ResourceFailed
from podlift.pods.errors import InvalidManifest
from podlift.pods.plain import Manifest, to_manifest


def read_documents(text: str, source: str, *, needs_name: bool) -> list[Manifest]:
    """The objects of all documents; a ``List`` stands for its items, an empty one for nothing.

    ``source`` names the text in messages. Without ``needs_name``, ``generateName`` will do. Raises
    ``ResourceFailed`` with the number of the document and the field that is wrong.
    """
    try:
        documents = list(yaml.safe_load_all(text))
    except yaml.YAMLError as error:
        raise ResourceFailed(f"{source} is not YAML: {_in_one_line(error)}") from None
    objects = [
        _checked(each, f"{source}, document {number}", needs_name)
        for number, document in enumerate(documents, start=1)
        for each in _items(document)
    ]
    if not objects:
        raise ResourceFailed(f"{source} describes no object.")
    return objects


def _in_one_line(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}."
    return str(error)


def _items(document: Any) -> Iterator[Any]:
    if isinstance(document, Mapping) and document.get("kind") == "List":
        yield from document.get("items") or ()
    elif document is not None:
        yield document


def _checked(document: Any, where: str, needs_name: bool) -> Manifest:
    try:
        manifest = to_manifest(document)
    except InvalidManifest as error:
        raise ResourceFailed(f"{where}: {error}") from None
    for field in ("apiVersion", "kind"):
        if not isinstance(manifest.get(field), str) or not manifest[field]:
            raise ResourceFailed(f"{where} has no {field}.")
    metadata = manifest.get("metadata")
    names = ("name",) if needs_name else ("name", "generateName")
    if not isinstance(metadata, dict) or not any(metadata.get(name) for name in names):
        raise ResourceFailed(f"{where}: {manifest['kind']} has no metadata.{names[0]}.")
    return manifest
