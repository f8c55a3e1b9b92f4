"""``/openapi/v3``: one document for each group and version, made from the schemas."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib.resources import files
from typing import Any

import msgspec
from aiohttp import web

from podlift.local.api.discovery import VERSION
from podlift.local.api.openapi.references import closure
from podlift.local.kinds import KINDS, Kind, Obj

_BODY_TYPES = {
    "post": ("application/json", "application/yaml"),
    "put": ("application/json", "application/yaml"),
    "patch": (
        "application/apply-patch+yaml",
        "application/json-patch+json",
        "application/merge-patch+json",
        "application/strategic-merge-patch+json",
    ),
}


def load_schemas() -> dict[str, Any]:
    """All schemas by name."""
    here = files(__package__)
    schemas: dict[str, Any] = {}
    for name in ("schemas.json", "written.json"):
        schemas |= msgspec.json.decode((here / name).read_bytes())
    return schemas


def answer(path: str) -> web.Response | None:
    """The answer to a path below ``/openapi``; None where there is no such document."""
    if path == "/openapi/v3":
        return _json(_index())
    if path == "/openapi/v2":
        return None
    data = _documents().get(path.removeprefix("/openapi/v3/"))
    if data is None or not path.startswith("/openapi/v3/"):
        return None
    return web.Response(body=data, content_type="application/json")


def _json(body: Any) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), content_type="application/json")


def _index() -> Obj:
    paths = {}
    for name, data in _documents().items():
        digest = hashlib.sha256(data).hexdigest()[:32].upper()
        paths[name] = {"serverRelativeURL": f"/openapi/v3/{name}?hash={digest}"}
    return {"paths": paths}


@lru_cache(maxsize=1)
def _documents() -> dict[str, bytes]:
    """The encoded documents, by ``api/v1`` or ``apis/GROUP/VERSION``."""
    schemas = load_schemas()
    by_version: dict[str, list[Kind]] = {}
    for kind in KINDS:
        prefix = "apis" if kind.group else "api"
        by_version.setdefault(f"{prefix}/{kind.api_version}", []).append(kind)
    return {name: _document(name, kinds, schemas) for name, kinds in by_version.items()}


def _document(name: str, kinds: list[Kind], schemas: dict[str, Any]) -> bytes:
    roots = [schema_name(kind, schemas) for kind in kinds]
    paths: Obj = {}
    for kind, root in zip(kinds, roots, strict=True):
        paths |= _paths(name, kind, root)
    return msgspec.json.encode(
        {
            "openapi": "3.0.0",
            "info": {"title": "Podlift local cluster", "version": VERSION["gitVersion"]},
            "paths": paths,
            "components": {"schemas": closure(schemas, roots)},
        }
    )


def schema_name(kind: Kind, schemas: dict[str, Any]) -> str:
    """The name of a kind's schema."""
    wanted = {"group": kind.group, "kind": kind.kind, "version": kind.version}
    for name, schema in schemas.items():
        if wanted in schema.get("x-kubernetes-group-version-kind", ()):
            return name
    raise KeyError(f"no schema for {kind.kind}")


def _paths(name: str, kind: Kind, root: str) -> Obj:
    space = "/namespaces/{namespace}" if kind.namespaced else ""
    collection = f"/{name}{space}/{kind.plural}"
    return {
        collection: {
            "get": _operation(kind, root, "list"),
            "post": _operation(kind, root, "post"),
        },
        collection + "/{name}": {
            action: _operation(kind, root, action) for action in ("get", "put", "patch", "delete")
        },
    }


def _operation(kind: Kind, root: str, action: str) -> Obj:
    operation: Obj = {
        "operationId": f"{action}{kind.group.title().replace('.', '')}{kind.version}{kind.kind}",
        "parameters": [_parameter(name) for name in _parameters(action)],
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": {
            "group": kind.group,
            "version": kind.version,
            "kind": kind.kind,
        },
    }
    if action in _BODY_TYPES:
        schema = {"$ref": f"#/components/schemas/{root}"}
        operation["requestBody"] = {
            "content": {media: {"schema": schema} for media in _BODY_TYPES[action]}
        }
    return operation


def _parameters(action: str) -> tuple[str, ...]:
    if action in ("post", "put", "patch"):
        return ("dryRun", "fieldManager", "fieldValidation")
    return ("dryRun",) if action == "delete" else ()


def _parameter(name: str) -> Obj:
    return {"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}}
