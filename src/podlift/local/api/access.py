"""Who may ask: one bearer token, made when the cluster started, may do everything.

Containers get tokens of their service accounts, which are good for the same.
There are no roles. A request that impersonates a user is refused like one of a user without any
rights, so that a client's handling of 403 can be tried.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from aiohttp import web

from podlift.local import errors
from podlift.local.api.requests import Target
from podlift.local.kinds import Kind, Obj

#: Paths that need no credentials, as in a real cluster.
OPEN_PATHS = ("/healthz", "/livez", "/readyz", "/version")

USER = "podlift:admin"
_ANONYMOUS = "system:anonymous"
_GROUPS = ["system:masters", "system:authenticated"]


_ACCOUNT = "system:serviceaccount:"


@dataclass(frozen=True, slots=True)
class Tokens:
    """The administrator's token, and those of service accounts, which derive from it."""

    admin: str

    def of_account(self, namespace: str, account: str) -> str:
        """The token of a service account, for a container's in-cluster configuration."""
        text = f"{namespace}.{account}"
        mark = hmac.new(self.admin.encode(), text.encode(), hashlib.sha256).hexdigest()
        # A namespace has no dot in its name; the account's may have some.
        return f"{text}.{mark}"

    def user(self, token: str) -> str | None:
        """Whose token this is; None where it is nobody's."""
        if hmac.compare_digest(token.encode(), self.admin.encode()):
            return USER
        namespace, _, rest = token.partition(".")
        account = rest.rpartition(".")[0]
        if hmac.compare_digest(token.encode(), self.of_account(namespace, account).encode()):
            return f"{_ACCOUNT}{namespace}:{account}"
        return None


def user_of(request: web.BaseRequest, tokens: Tokens) -> str:
    """The user behind a request; raises Unauthorized for a token that is not this cluster's."""
    header = request.headers.get("Authorization", "")
    if not header:
        return _ANONYMOUS
    user = tokens.user(header.removeprefix("Bearer ").strip())
    if user is None:
        raise errors.Unauthorized("Unauthorized")
    return request.headers.get("Impersonate-User") or user


def _may_do_anything(user: str) -> bool:
    return user == USER or user.startswith(_ACCOUNT)


def check_path(user: str, method: str, path: str) -> None:
    """Whether the user may read a path that names no resource."""
    if not _may_do_anything(user) and not path.startswith(OPEN_PATHS):
        raise errors.Forbidden(
            f'forbidden: User "{user}" cannot {method.lower()} path "{path}"', details={}
        )


def check_resource(user: str, target: Target) -> None:
    """Whether the user may do this; raises Forbidden in the API server's words."""
    if _may_do_anything(user):
        return
    kind = target.kind
    resource = kind.plural + (f"/{target.subresource}" if target.subresource else "")
    where = (
        f' in the namespace "{target.namespace}"' if target.namespace else " at the cluster scope"
    )
    name = f' "{target.name}"' if target.name else ""
    details: Obj = {"name": target.name} if target.name else {}
    if kind.group:
        details["group"] = kind.group
    raise errors.Forbidden(
        f'{kind.qualified}{name} is forbidden: User "{user}" cannot {target.verb} resource '
        f'"{resource}" in API group "{kind.group}"{where}',
        details={**details, "kind": kind.plural},
    )


def review(kind: Kind, body: Obj, user: str) -> Obj:
    """Answer a SelfSubject…Review: this user may do everything that is served."""
    answers = {
        "SelfSubjectAccessReview": {"allowed": True},
        "SelfSubjectRulesReview": {
            "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
            "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
            "incomplete": False,
        },
        "SelfSubjectReview": {"userInfo": {"username": user, "groups": _GROUPS}},
    }
    head: Obj = {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": {}}
    if "spec" in body:
        head["spec"] = body["spec"]
    return {**head, "status": answers[kind.kind]}
