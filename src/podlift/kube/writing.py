"""The verbs that write: create, replace, patch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, TypeVar, overload

from podlift.kube.bodies import decode, encode, given
from podlift.kube.resources import Resource
from podlift.kube.transport import Transport
from podlift.pods.plain import Manifest

T = TypeVar("T")


class Patch(StrEnum):
    """The four ways to say a change.

    https://kubernetes.io/docs/reference/using-api/api-concepts/#patch-and-apply
    """

    STRATEGIC = "application/strategic-merge-patch+json"
    MERGE = "application/merge-patch+json"
    JSON = "application/json-patch+json"
    APPLY = "application/apply-patch+yaml"


class Writing:
    """What a Client can do to make and change objects."""

    _transport: Transport

    @overload
    async def create(
        self,
        resource: Resource,
        manifest: Mapping[str, Any],
        namespace: str | None = None,
        *,
        dry_run: bool = False,
        strict: bool = False,
    ) -> Manifest: ...

    @overload
    async def create(
        self,
        resource: Resource,
        manifest: Mapping[str, Any],
        namespace: str | None = None,
        *,
        dry_run: bool = False,
        strict: bool = False,
        type: type[T],
    ) -> T: ...

    async def create(
        self,
        resource: Resource,
        manifest: Mapping[str, Any],
        namespace: str | None = None,
        *,
        dry_run: bool = False,
        strict: bool = False,
        type: Any = Manifest,
    ) -> Any:
        """Creates an object and gives it back as the server filled it in.

        It is asked once. After ConnectionFailed the object may be there or not; a repeated create
        with the same name then raises AlreadyExists. With `strict` the server refuses unknown
        fields, which it otherwise drops with a warning; with `dry_run` too, and it keeps nothing.
        """
        path = _collection(resource, namespace)
        query = given(
            dryRun="All" if dry_run else "",
            fieldValidation="Strict" if strict or dry_run else "",
        )
        answer = await self._transport.request("POST", path, query=query, body=encode(manifest))
        return decode(answer, type)

    async def replace(
        self,
        resource: Resource,
        manifest: Mapping[str, Any],
        namespace: str | None = None,
        *,
        subresource: str = "",
        dry_run: bool = False,
    ) -> Manifest:
        """Replaces an object by its name. Raises Conflict for an outdated resourceVersion."""
        path = resource.path(namespace, manifest["metadata"]["name"], subresource)
        query = given(dryRun="All" if dry_run else "")
        answer = await self._transport.request("PUT", path, query=query, body=encode(manifest))
        return decode(answer, Manifest)

    async def patch(
        self,
        resource: Resource,
        name: str,
        namespace: str | None,
        body: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        *,
        how: Patch = Patch.STRATEGIC,
        field_manager: str = "",
        force: bool = False,
        subresource: str = "",
        dry_run: bool = False,
    ) -> Manifest:
        """Changes an object and gives it back.

        `Patch.JSON` takes a list of operations, the others a partial object. `Patch.APPLY` needs a
        `field_manager`, and takes fields from other managers only with `force`.
        """
        query = given(
            dryRun="All" if dry_run else "",
            fieldManager=field_manager or ("podlift" if how is Patch.APPLY else ""),
            force="true" if force else "",
        )
        answer = await self._transport.request(
            "PATCH",
            resource.path(namespace, name, subresource),
            query=query,
            body=encode(body),
            content_type=how.value,
        )
        return decode(answer, Manifest)


def _collection(resource: Resource, namespace: str | None) -> str:
    if resource.namespaced and namespace is None:
        raise ValueError(f"{resource.plural} live in namespaces: say which one to create in")
    return resource.path(namespace)
