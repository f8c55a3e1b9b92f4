"""The verbs that read: get and list.

https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Generic, TypeAlias, TypeVar, overload

import msgspec

from podlift.kube.bodies import Pairs, decode, given
from podlift.kube.errors import Gone
from podlift.kube.resources import Resource
from podlift.kube.transport import Transport
from podlift.pods.plain import Manifest

T = TypeVar("T")
_Items: TypeAlias = list[Any]

# A list that outlives the server's memory of its version starts again this often before it gives
# up.
_LIST_TRIES = 3


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


class Reading:
    """What a Client can do to see objects."""

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
        selectors = given(labelSelector=label_selector, fieldSelector=field_selector)
        for attempt in range(_LIST_TRIES):
            size = limit if attempt < _LIST_TRIES - 1 else 0
            try:
                return await self._list_pages(path, selectors, size, type)
            except Gone:
                if not size:
                    raise
        raise AssertionError("the last try either returns or raises")

    async def _list_pages(
        self, path: str, selectors: Pairs, limit: int, item_type: Any
    ) -> Listing[Any]:
        items: _Items = []
        position = ""
        while True:
            query = selectors + given(limit=str(limit) if limit else "", **{"continue": position})
            page = decode(await self._transport.request("GET", path, query=query), _page(item_type))
            items += page.items or ()
            position = page.metadata.continue_
            if not position:
                return Listing(items, page.metadata.resource_version)


@lru_cache(maxsize=64)
def _page(item_type: Any) -> Any:
    return _Page[item_type]
