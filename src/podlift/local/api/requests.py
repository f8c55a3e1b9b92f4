"""What a request asks for: verb, kind, namespace, name, subresource and options.

See https://kubernetes.io/docs/reference/using-api/api-concepts/.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from podlift.local import errors
from podlift.local.kinds import Kind, kind_of_resource

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch"}
_NOT_ALLOWED = "the server does not allow this method on the requested resource"


class UnknownPath(Exception):
    """No resource lives at this path; the answer is a plain 404."""


@dataclass(frozen=True, slots=True)
class Target:
    """The resource that a path names, with the verb that the method makes of it."""

    kind: Kind
    verb: str
    namespace: str | None
    name: str | None
    subresource: str


def target_of(method: str, path: str, query: Mapping[str, str]) -> Target:
    """Read ``/api/v1/namespaces/NS/pods/NAME/log`` and its like.

    Raises :class:`UnknownPath`, and MethodNotAllowed for a verb that the resource does not have.
    """
    parts = [part for part in path.split("/") if part]
    if len(parts) >= 2 and parts[0] == "api":
        group, version, rest = "", parts[1], parts[2:]
    elif len(parts) >= 3 and parts[0] == "apis":
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        raise UnknownPath
    # The prefix of the deprecated watch paths means what ?watch=1 does.
    watching = bool(rest) and rest[0] == "watch"
    if watching:
        rest = rest[1:]
    namespace: str | None = None
    if len(rest) > 2 and rest[0] == "namespaces" and rest[2] not in ("status", "finalize"):
        namespace, rest = rest[1], rest[2:]
    if not rest or len(rest) > 3:
        raise UnknownPath
    kind = kind_of_resource(group, version, rest[0])
    if kind is None or (namespace is not None and not kind.namespaced):
        raise UnknownPath
    name = rest[1] if len(rest) > 1 else None
    subresource = rest[2] if len(rest) > 2 else ""
    verb = _verb(method, name, watching or query.get("watch", "") in ("1", "true", "True"))
    target = Target(kind, verb, namespace, name, subresource)
    _check_verb(target)
    return target


def _verb(method: str, name: str | None, watching: bool) -> str:
    if method in ("GET", "HEAD"):
        if watching:
            return "watch"
        return "get" if name else "list"
    if method == "DELETE":
        return "delete" if name else "deletecollection"
    return _VERBS.get(method, method.lower())


def _check_verb(target: Target) -> None:
    """Refuse what no client may do: a verb the kind lacks, or a create without a namespace."""
    kind, verb = target.kind, target.verb
    verbs = kind.verbs
    if target.subresource:
        found = [sub for sub in kind.subresources if sub.name == target.subresource]
        if not found:
            raise UnknownPath
        verbs = found[0].verbs
    on_collection = target.name is None and verb in ("update", "patch")
    on_object = target.name is not None and verb == "create" and not target.subresource
    everywhere = kind.namespaced and target.namespace is None
    no_namespace = everywhere and verb not in ("list", "watch", "deletecollection")
    if verb not in verbs or on_collection or on_object or no_namespace:
        raise errors.MethodNotAllowed(_NOT_ALLOWED, details={})


@dataclass(frozen=True, slots=True)
class Accepted:
    """The form in which a client wants objects: as they are, a Table or metadata alone."""

    form: str = ""
    content_type: str = "application/json"


_FORMS = ("Table", "PartialObjectMetadata", "PartialObjectMetadataList")


def accepted(header: str) -> Accepted:
    """Pick the first form of the Accept header that this server can give.

    Protobuf is not among them; every client that asks for it names JSON as well.
    """
    for choice in header.split(","):
        media, *parameters = (part.strip() for part in choice.split(";"))
        if media not in ("application/json", "application/*", "*/*", ""):
            continue
        given = dict(part.split("=", 1) for part in parameters if "=" in part)
        form = given.get("as", "")
        if not form:
            return Accepted()
        if form in _FORMS and given.get("g") == "meta.k8s.io" and given.get("v") == "v1":
            return Accepted(form)
    return Accepted()
