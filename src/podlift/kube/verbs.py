"""The verbs of the Kubernetes API: get, list, create, replace, patch, delete, evict.

Objects go in as plain dicts and come out as what `type` says: a dict, or a msgspec Struct with only
the fields wanted, which is several times cheaper.
https://kubernetes.io/docs/reference/using-api/api-concepts/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, Generic, TypeAlias, TypeVar, overload

import msgspec

from podlift.kube.errors import Gone, UnexpectedAnswer
from podlift.kube.resources import PODS, Resource
from podlift.kube.transport import Transport
from podlift.pods.plain import Manifest

T = TypeVar("T")
_Pairs: TypeAlias = list[tuple[str, str]]
_Items: TypeAlias = list[Any]

# A list that outlives the server's memory of its version starts again this often before it gives
# up.
_LIST_TRIES = 3


class Patch(StrEnum):
    """The four ways to say a change.

    https://kubernetes.io/docs/reference/using-api/api-concepts/#patch-and-apply
    """

    STRATEGIC = "application/strategic-merge-patch+json"
    MERGE = "application/merge-patch+json"
    JSON = "application/json-patch+json"
    APPLY = "application/apply-patch+yaml"


@dataclass(frozen=True)
class Listing(Generic[T]):
    """All objects asked for, and the version of the whole that they were read at."""

    items: list[T]
    resource_version: str


class _ListMeta(msgspec.Struct, frozen=True, rename="camel"):
    resource_version: str = ""
    continue_: str = msgspec.field(default="", name="continue")


class _Page(msgspec.Struct, Generic[T], frozen=True):
    metadata: _ListMeta
    items: list[T] | None = None


class Verbs:
    """What a Client can do with objects. Every method may raise ApiError and ConnectionFailed."""

    _transport: Transport

    @overload
    async def get(
        self, resource: Resource, name: str, namespace: str | None = None
    ) -> Manifest: ...

    @overload
    async def get(
        self, resource: Resource, name: str, namespace: str | None = None, *, type: type[T]
    ) -> T: ...

    async def get(
        self, resource: Resource, name: str, namespace: str | None = None, *, type: Any = Manifest
    ) -> Any:
        """One object. Raises NotFound."""
        answer = await self._transport.request("GET", resource.path(namespace, name))
        return decode(answer, type)

    @overload
    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
        limit: int = 500,
    ) -> Listing[Manifest]: ...

    @overload
    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
        limit: int = 500,
        type: type[T],
    ) -> Listing[T]: ...

    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
        limit: int = 500,
        type: Any = Manifest,
    ) -> Any:
        """All objects of a namespace, or with None of all, as they were at one moment.

        They are fetched in pages of `limit`. When the server forgets that moment between two pages
        (Gone), the list starts again, and the last try asks for everything at once. The server
        leaves `kind` and `apiVersion` out of listed objects.
        """
        path = resource.path(namespace)
        selectors = _given(labelSelector=label_selector, fieldSelector=field_selector)
        for attempt in range(_LIST_TRIES):
            size = limit if attempt < _LIST_TRIES - 1 else 0
            try:
                return await self._list_pages(path, selectors, size, type)
            except Gone:
                if not size:
                    raise
        raise AssertionError("the last try either returns or raises")

    async def _list_pages(
        self, path: str, selectors: _Pairs, limit: int, item_type: Any
    ) -> Listing[Any]:
        items: _Items = []
        position = ""
        while True:
            query = selectors + _given(limit=str(limit) if limit else "", **{"continue": position})
            page = decode(await self._transport.request("GET", path, query=query), _page(item_type))
            items += page.items or ()
            position = page.metadata.continue_
            if not position:
                return Listing(items, page.metadata.resource_version)

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
        query = _given(
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
        query = _given(dryRun="All" if dry_run else "")
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
        query = _given(
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

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str | None = None,
        *,
        grace_period_seconds: int | None = None,
        uid: str | None = None,
        propagation_policy: str | None = None,
    ) -> None:
        """Asks for an object's deletion, which for a running pod ends later: a watch shows DELETED.

        With `uid`, only that incarnation of the name is deleted, and Conflict is raised for
        another. Raises NotFound.
        """
        options = _delete_options(grace_period_seconds, propagation_policy)
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        await self._transport.request(
            "DELETE", resource.path(namespace, name), body=encode(options)
        )

    async def delete_collection(
        self,
        resource: Resource,
        namespace: str,
        *,
        label_selector: str = "",
        field_selector: str = "",
        grace_period_seconds: int | None = None,
        propagation_policy: str | None = None,
    ) -> None:
        """Asks for the deletion of all matching objects of a namespace."""
        await self._transport.request(
            "DELETE",
            resource.path(namespace),
            query=_given(labelSelector=label_selector, fieldSelector=field_selector),
            body=encode(_delete_options(grace_period_seconds, propagation_policy)),
        )

    async def evict(
        self, name: str, namespace: str, *, grace_period_seconds: int | None = None
    ) -> None:
        """Deletes a pod with regard for disruption budgets, which refuse with TooManyRequests.

        https://kubernetes.io/docs/concepts/scheduling-eviction/api-eviction/
        """
        eviction = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": name, "namespace": namespace},
            "deleteOptions": _delete_options(grace_period_seconds, None),
        }
        path = PODS.path(namespace, name, "eviction")
        await self._transport.request("POST", path, body=encode(eviction))

    async def server_version(self) -> Manifest:
        """The server's version, for example {"major": "1", "minor": "36", "gitVersion": ...}.

        Also the cheapest way to see whether the server can be reached.
        """
        return decode(await self._transport.request("GET", "/version"), Manifest)


def encode(body: object) -> bytes:
    """An object as JSON. Raises TypeError for what JSON cannot say."""
    return msgspec.json.encode(body)


@overload
def decode(answer: bytes, wanted: type[T]) -> T: ...


@overload
def decode(answer: bytes, wanted: Any) -> Any: ...


def decode(answer: bytes, wanted: Any) -> Any:
    """An answer as the type wanted. Raises UnexpectedAnswer where it is not one."""
    try:
        return _decoder(wanted).decode(answer)
    except msgspec.DecodeError as error:
        beginning = answer[:200].decode(errors="replace")
        raise UnexpectedAnswer(
            f"The server's answer is not what the Kubernetes API promises ({error}): {beginning}"
        ) from error


@lru_cache(maxsize=64)
def _decoder(wanted: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(wanted)


@lru_cache(maxsize=64)
def _page(item_type: Any) -> Any:
    return _Page[item_type]


def _collection(resource: Resource, namespace: str | None) -> str:
    if resource.namespaced and namespace is None:
        raise ValueError(f"{resource.plural} live in namespaces: say which one to create in")
    return resource.path(namespace)


def _delete_options(grace: int | None, propagation: str | None) -> dict[str, Any]:
    options: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions"}
    if grace is not None:
        options["gracePeriodSeconds"] = grace
    if propagation is not None:
        options["propagationPolicy"] = propagation
    return options


def _given(**values: str) -> _Pairs:
    """Only the parameters that say something."""
    return [(name, value) for name, value in values.items() if value]
