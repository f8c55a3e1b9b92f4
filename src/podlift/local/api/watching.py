"""``watch``: what happened since a version, and what happens from now on.

See https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from aiohttp import web

from podlift.local import errors
from podlift.local.api import forms
from podlift.local.api.reading import check_list_options, version_number
from podlift.local.api.requests import Target
from podlift.local.api.selectors import Selector, selector_of
from podlift.local.kinds import Kind
from podlift.local.store import Change, ChangeType, Store, Subscription
from podlift.local.store.objects import Record, decode, encode

#: A quiet watch hears this often, in seconds, up to which version nothing is missing.
BOOKMARK_SECONDS = 20.0

#: Without timeoutSeconds a watch ends after this long, times a random 1 to 2, as the real ones.
DEFAULT_TIMEOUT = 1800.0

_HEADS = {kind: f'{{"type":"{kind.value}","object":'.encode() for kind in ChangeType}
_BOOKMARK = b'{"type":"BOOKMARK","object":'
_END = b"}\n"


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """The options of a watch request."""

    since: int | None
    initial_events: bool
    initial_bookmark: bool
    bookmarks: bool
    timeout: float

    @classmethod
    def of(cls, query: Mapping[str, str]) -> WatchOptions:
        """Read the query; raises what is wrong with it."""
        check_list_options(query)
        version = version_number(query.get("resourceVersion") or "0")
        asked = query.get("sendInitialEvents", "").lower()
        initial = asked in ("1", "true") or (not asked and version == 0)
        bookmarks = query.get("allowWatchBookmarks", "").lower() in ("1", "true")
        timeout = query.get("timeoutSeconds", "")
        return cls(
            None if initial or version == 0 else version,
            initial,
            bookmarks and asked in ("1", "true"),
            bookmarks,
            float(timeout) if timeout.isdigit() else DEFAULT_TIMEOUT * (1 + random.random()),
        )


async def watch(
    store: Store, target: Target, form: str, request: web.BaseRequest
) -> web.StreamResponse:
    """Answer a watch until its timeout, the client or the server ends it."""
    selector = selector_of(target.kind, target.namespace, target.name, request.query)
    options = WatchOptions.of(request.query)
    encoder = _Encoder(target.kind, form, request.query.get("includeObject", "Metadata"))
    existing = list(store.records(target.kind)) if options.initial_events else []
    version = store.version
    changes = store.watch(target.kind, options.since)
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    response.enable_chunked_encoding()
    try:
        await response.prepare(request)
        if changes is None:
            await response.write(_expired(options.since or 0, store.oldest(target.kind)))
            return response
        initial = encoder.existing(record for record in existing if selector.matches(record.facts))
        if options.initial_bookmark:
            initial += encoder.bookmark(version, first=True)
        if initial:
            await response.write(initial)
        await _follow(store, changes, selector, encoder, options, response)
    except ConnectionResetError:
        # The client has gone; there is nobody to tell.
        return response
    finally:
        if changes is not None:
            changes.close()
    await response.write_eof()
    return response


async def _follow(
    store: Store,
    changes: Subscription[Change],
    selector: Selector,
    encoder: _Encoder,
    options: WatchOptions,
    response: web.StreamResponse,
) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + options.timeout
    while (left := end - loop.time()) > 0:
        try:
            async with asyncio.timeout(min(left, BOOKMARK_SECONDS)):
                batch = await changes.batch()
        except TimeoutError:
            if options.bookmarks and loop.time() < end:
                await response.write(encoder.bookmark(store.version))
            continue
        data = b"".join(encoder.change(change, selector) for change in batch)
        if data:
            await response.write(data)
        if changes.closed:
            return


class _Encoder:
    """Watch events of one request's form, as lines."""

    def __init__(self, kind: Kind, form: str, include: str) -> None:
        self._kind = kind
        self._form = form
        self._include = include
        self._heading = True

    def existing(self, records: Iterable[Record]) -> bytes:
        """ADDED for each object that was there when the watch began."""
        head = _HEADS[ChangeType.ADDED]
        return b"".join(head + self._object(record.raw) + _END for record in records)

    def change(self, change: Change, selector: Selector) -> bytes:
        """The event that this change is for a watcher with this selector; b"" for none.

        An object that leaves the selection is deleted for the watcher, and one that enters added.
        """
        is_in = selector.matches(change.facts)
        if change.type is ChangeType.MODIFIED and (selector.labels or selector.fields):
            was_in = change.before is not None and selector.matches(change.before)
            if was_in and not is_in:
                return _HEADS[ChangeType.DELETED] + self._object(change.raw) + _END
            if is_in and not was_in:
                return _HEADS[ChangeType.ADDED] + self._object(change.raw) + _END
        if not is_in:
            return b""
        return _HEADS[change.type] + self._object(change.raw) + _END

    def bookmark(self, version: int, *, first: bool = False) -> bytes:
        """Nothing is missing up to this version; *first* ends the initial events."""
        meta: dict[str, object] = {"resourceVersion": str(version)}
        if first:
            meta["annotations"] = {"k8s.io/initial-events-end": "true"}
        obj: dict[str, object] = {"kind": self._kind.kind, "apiVersion": self._kind.api_version}
        if self._form == "Table":
            obj = {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "rows": []}
            obj["columnDefinitions"] = []
        elif self._form:
            obj = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}
        return _BOOKMARK + encode(obj | {"metadata": meta}) + _END

    def _object(self, raw: bytes) -> bytes:
        if self._form != "Table":
            return forms.one(self._kind, raw, self._form)
        # Only the first Table of a watch names the columns.
        obj = decode(raw)
        meta = {"resourceVersion": obj["metadata"]["resourceVersion"]}
        head, self._heading = self._heading, False
        return encode(forms.table(self._kind, [obj], meta, self._include, head=head))


def _expired(wanted: int, oldest: int) -> bytes:
    status = errors.Expired(f"too old resource version: {wanted} ({oldest})").status()
    return encode({"type": "ERROR", "object": status}) + b"\n"
