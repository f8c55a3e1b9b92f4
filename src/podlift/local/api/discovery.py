"""What the server has to offer: versions, groups, resources and health.

See https://kubernetes.io/docs/concepts/overview/kubernetes-api/#discovery-api
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from podlift.local.kinds import KINDS, REVIEWS, Kind, Obj
from podlift.local.store.objects import encode

VERSION: Obj = {
    "major": "1",
    "minor": "36",
    "emulationMajor": "1",
    "emulationMinor": "36",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "35",
    "gitVersion": "v1.36.2+podlift",
    "gitCommit": "",
    "gitTreeState": "",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "",
    "compiler": "",
    "platform": "linux/amd64",
}

_AGGREGATED = "application/json;g=apidiscovery.k8s.io;v={};as=APIGroupDiscoveryList"
_HEALTH = ("/healthz", "/livez", "/readyz")


def answer(request: web.BaseRequest) -> web.Response | None:
    """The answer to a path that names no resource; None where it may name one."""
    path = request.path.rstrip("/")
    if path in _HEALTH or (path.startswith(_HEALTH) and path.count("/") == 2):
        return web.Response(text="ok")
    if path == "/version":
        return _json(VERSION)
    if path in ("/api", "/apis"):
        return _groups(request, path)
    return _resources(path)


def _groups(request: web.BaseRequest, path: str) -> web.Response:
    accept = request.headers.get("Accept", "").replace(" ", "")
    for version in ("v2", "v2beta1"):
        if _AGGREGATED.format(version) in accept:
            body = _aggregated(version, core=path == "/api")
            return _json(body, _AGGREGATED.format(version))
    if path == "/api":
        address = request.headers.get("Host", "127.0.0.1")
        return _json(
            {
                "kind": "APIVersions",
                "versions": ["v1"],
                "serverAddressByClientCIDRs": [
                    {"clientCIDR": "0.0.0.0/0", "serverAddress": address}
                ],
            }
        )
    return _json(
        {
            "kind": "APIGroupList",
            "apiVersion": "v1",
            "groups": [_group(group, version) for group, version in _group_versions() if group],
        }
    )


def _resources(path: str) -> web.Response | None:
    for group, version in _group_versions():
        base = f"/apis/{group}" if group else "/api"
        if path == f"{base}/{version}":
            return _json(_resource_list(group, version))
        if group and path == base:
            return _json({"kind": "APIGroup", "apiVersion": "v1", **_group(group, version)})
    return None


def _group_versions() -> list[tuple[str, str]]:
    return list(dict.fromkeys((kind.group, kind.version) for kind in KINDS + REVIEWS))


def _kinds(group: str) -> list[Kind]:
    return sorted(
        (kind for kind in KINDS + REVIEWS if kind.group == group), key=lambda kind: kind.plural
    )


def _group(group: str, version: str) -> Obj:
    one = {"groupVersion": f"{group}/{version}", "version": version}
    return {"name": group, "versions": [one], "preferredVersion": one}


def _resource_list(group: str, version: str) -> Obj:
    head: Obj = {"kind": "APIResourceList"}
    if group:
        head["apiVersion"] = "v1"
    resources: list[Obj] = []
    for kind in _kinds(group):
        resources.append(_resource(kind))
        resources += _subresources(kind)
    version_name = f"{group}/{version}" if group else version
    return {**head, "groupVersion": version_name, "resources": resources}


def _resource(kind: Kind) -> Obj:
    resource: Obj = {
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": list(kind.verbs),
    }
    if kind.short_names:
        resource["shortNames"] = list(kind.short_names)
    if kind.categories:
        resource["categories"] = list(kind.categories)
    return resource


def _subresources(kind: Kind) -> list[Obj]:
    found = []
    for sub in kind.subresources:
        entry: Obj = {
            "name": f"{kind.plural}/{sub.name}",
            "singularName": "",
            "namespaced": kind.namespaced,
        }
        if sub.group:
            entry |= {"group": sub.group, "version": sub.version}
        found.append({**entry, "kind": sub.kind, "verbs": list(sub.verbs)})
    return found


def _aggregated(version: str, *, core: bool) -> Obj:
    items = []
    for group, group_version in _group_versions():
        if bool(group) is core:
            continue
        meta: Obj = {"name": group} if group else {}
        resources = [_aggregated_resource(kind) for kind in _kinds(group)]
        versions = [{"version": group_version, "resources": resources, "freshness": "Current"}]
        items.append({"metadata": meta, "versions": versions})
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"apidiscovery.k8s.io/{version}",
        "metadata": {},
        "items": items,
    }


def _aggregated_resource(kind: Kind) -> Obj:
    def response(name: str, group: str = "", version: str = "") -> Obj:
        return {"group": group, "version": version, "kind": name}

    resource: Obj = {
        "resource": kind.plural,
        "responseKind": response(kind.kind),
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.singular,
        "verbs": list(kind.verbs),
    }
    if kind.short_names:
        resource["shortNames"] = list(kind.short_names)
    if kind.categories:
        resource["categories"] = list(kind.categories)
    if kind.subresources:
        resource["subresources"] = [
            {
                "subresource": sub.name,
                "responseKind": response(sub.kind, sub.group, sub.version),
                "verbs": list(sub.verbs),
            }
            for sub in kind.subresources
        ]
    return resource


def _json(body: Any, content_type: str = "application/json") -> web.Response:
    return web.Response(body=encode(body), headers={"Content-Type": content_type})
