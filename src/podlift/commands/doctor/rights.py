"""Whether we may do in each namespace what the executor does there.

https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from podlift.commands.doctor.checks import Check, bad, doubtful, good
from podlift.kube.client import Client
from podlift.kube.errors import Forbidden, NotFound
from podlift.kube.resources import SECRETS, SELF_SUBJECT_ACCESS_REVIEWS


@dataclass(frozen=True)
class Right:
    """One verb on one resource."""

    verb: str
    resource: str
    needed: bool = True
    """Whether nothing works without it."""

    @property
    def label(self) -> str:
        """As one says it."""
        return f"{self.verb} {self.resource}"


_READS_SECRET = Right("get", "secrets")
_MAKES_SECRET = Right("create", "secrets", needed=False)
_PODS = ("create", "get", "list", "watch", "patch", "delete")
RIGHTS = (
    *(Right(verb, "pods") for verb in _PODS),
    Right("get", "pods/log"),
    _READS_SECRET,
    _MAKES_SECRET,
    Right("list", "events", needed=False),
)
"""What ``docs/executor.md`` asks for."""

_WITHOUT = {
    "create secrets": "the Secret with the seal's key must be made by hand, see docs/executor.md",
    "list events": "nobody is told which image or volume a pod waits for",
}


async def check_rights(
    client: Client, namespaces: Sequence[str | None], seal_secret: str
) -> list[Check]:
    """Ask the server about every right in every namespace. Raises ``KubeError``.

    Of Secrets only the one with the seal's key has to be read, and none to be created where that
    one exists.
    """
    asked = [(namespace, right) for namespace in namespaces for right in RIGHTS]
    answers = await asyncio.gather(*(_may(client, *each, seal_secret) for each in asked))
    missing: defaultdict[str | None, list[Right]] = defaultdict(list)
    for (namespace, right), answer in zip(asked, answers, strict=True):
        if not answer and not (
            right == _MAKES_SECRET and await _exists(client, namespace, seal_secret)
        ):
            missing[namespace].append(right)
    return [check for each in namespaces for check in judge_rights(each, missing[each])]


def judge_rights(namespace: str | None, missing: Sequence[Right]) -> Iterator[Check]:
    """What it means that these rights are missing."""
    where = f"namespace {namespace}" if namespace else "every namespace"
    what = f"rights in {where}" if namespace else "rights"
    needed = [right.label for right in missing if right.needed]
    if needed:
        kind = "Role" if namespace else "ClusterRole"
        remedy = f"Give the executor's user a {kind} with these rights."
        yield bad(what, f"We may not {', '.join(needed)} in {where}.", remedy)
    for right in missing:
        if not right.needed:
            says = f"We may not {right.label} in {where}: {_WITHOUT[right.label]}."
            yield doubtful(what, says)
    if not missing:
        yield good(what, f"We may do in {where} what the executor does there.")


async def _exists(client: Client, namespace: str | None, secret: str) -> bool:
    if namespace is None:
        return False  # there may be a namespace that has none yet
    try:
        await client.get(SECRETS, secret, namespace)
    except (NotFound, Forbidden):
        return False
    return True


async def _may(client: Client, namespace: str | None, right: Right, seal_secret: str) -> bool:
    resource, _, subresource = right.resource.partition("/")
    attributes: dict[str, Any] = {"verb": right.verb, "resource": resource}
    if subresource:
        attributes["subresource"] = subresource
    if right == _READS_SECRET:
        attributes["name"] = seal_secret
    if namespace is not None:
        attributes["namespace"] = namespace
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    answer = await client.create(SELF_SUBJECT_ACCESS_REVIEWS, review)
    return bool(answer.get("status", {}).get("allowed"))
