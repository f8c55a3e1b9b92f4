"""The watch: what is there, and then every change, for as long as anybody listens.

Three nested generators. `watch` goes on forever and remembers what it has told. `_list_and_follow`
lists, then follows from the list's version over as many connections as it takes, until that version
is lost. `_one_connection` is one HTTP answer.

https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, NamedTuple, TypeVar, overload

import msgspec

from podlift.kube.bodies import decode
from podlift.kube.client import Client
from podlift.kube.errors import (
    ConnectionFailed,
    Gone,
    KubeError,
    ServerError,
    Status,
    TooManyRequests,
    error_from_status,
)
from podlift.kube.lines import LineSplitter
from podlift.kube.pacing import Backoff, Timing
from podlift.kube.resources import Resource
from podlift.kube.view import Identify, View, WatchEvent, identify_with
from podlift.pods.plain import Manifest

logger = logging.getLogger(__name__)

T = TypeVar("T")

Trouble = Callable[[KubeError, float], None]

# The server is asked to end each connection after a while, spread so that watchers do not all
# return at once, and to say every minute or so, by a bookmark, how far it has come.
_CONNECTION_LIFE = 300.0
SILENCE = 90.0

# A connection that lived this long was a good one, even if nothing happened on it.
_LONG_ENOUGH = 5.0

# After so many connections in a row with not even a bookmark, our version may be one that the
# server will never reach, as after a restored backup. A list is the way out.
_BARREN_CONNECTIONS = 3

# To decode an answer is one step, in which no other thread of the process goes on: a millisecond or
# two for so many pods, five times as long for five times as many.
_PAGE = 100

# After so many events the loop's other tasks get a turn: a list of thousands of objects, or what
# arrived at once, must not hold them up.
_AT_A_STRETCH = 50


class _Line(msgspec.Struct, frozen=True):
    type: str
    object: msgspec.Raw


class _Version(msgspec.Struct, frozen=True, rename="camel"):
    resource_version: str = ""


class _Bookmark(msgspec.Struct, frozen=True):
    metadata: _Version = _Version()


@dataclass(frozen=True)
class _Source(Generic[T]):
    """What is watched, and how."""

    client: Client
    resource: Resource
    namespace: str | None
    label_selector: str
    field_selector: str
    type: Any
    silence: float
    timing: Timing
    on_trouble: Trouble

    @property
    def path(self) -> str:
        return self.resource.path(self.namespace)

    @cached_property
    def identify(self) -> Identify:
        return identify_with(self.type)


class _Change(NamedTuple, Generic[T]):
    """One line of a watch; a bookmark has no item."""

    kind: str
    version: str
    item: T | None


@overload
def watch(
    client: Client,
    resource: Resource,
    namespace: str | None = None,
    *,
    label_selector: str = "",
    field_selector: str = "",
    silence: float = SILENCE,
    on_trouble: Trouble | None = None,
    timing: Timing = Timing(),  # noqa: B008  frozen
) -> AsyncGenerator[WatchEvent[Manifest], None]: ...


@overload
def watch(
    client: Client,
    resource: Resource,
    namespace: str | None = None,
    *,
    type: type[T],
    label_selector: str = "",
    field_selector: str = "",
    silence: float = SILENCE,
    on_trouble: Trouble | None = None,
    timing: Timing = Timing(),  # noqa: B008  frozen
) -> AsyncGenerator[WatchEvent[T], None]: ...


async def watch(
    client: Client,
    resource: Resource,
    namespace: str | None = None,
    *,
    type: Any = Manifest,
    label_selector: str = "",
    field_selector: str = "",
    silence: float = SILENCE,
    on_trouble: Trouble | None = None,
    timing: Timing = Timing(),  # noqa: B008  frozen
) -> AsyncGenerator[WatchEvent[Any], None]:
    """Tells what is there, then SYNCED, then every change; without end.

    Lost connections are taken up where they broke off. Where the server no longer knows that place
    (410), all is listed again and compared with what was told before: what changed meanwhile is
    ADDED or MODIFIED, what vanished is DELETED with its last known state, then comes SYNCED again.
    What has not changed is not repeated. Several changes of one object may be told as one.

    A connection on which not even a bookmark arrives for `silence` seconds is given up. Between
    tries it waits, longer each time and as long as the server asks (Retry-After); `on_trouble` is
    told every failure and the seconds until the next try, and by default logs them.

    Raises KubeError before the first SYNCED if asking again cannot help (no such right, say). After
    that it raises nothing: a listener that gave up would never hear what was deleted meanwhile.

    `type` is dict or a Struct with `metadata`, see `view.identify_with`. To stop, leave the loop
    and close the generator; `contextlib.aclosing` does so.
    """
    trouble = on_trouble or _log_trouble(resource, namespace)
    source: _Source[Any] = _Source(
        client, resource, namespace, label_selector, field_selector, type, silence, timing, trouble
    )
    view: View[Any] = View(source.identify)
    backoff = Backoff(timing.chance)
    synced, told = False, 0
    while True:
        try:
            async with aclosing(_list_and_follow(source, view, backoff)) as events:
                async for event in events:
                    synced = synced or event.kind == "SYNCED"
                    yield event
                    told += 1
                    if told % _AT_A_STRETCH == 0:
                        await asyncio.sleep(0)
        except KubeError as error:
            if not (synced or error.transient):
                raise
            await _pause(source, backoff, error)


async def _list_and_follow(
    source: _Source[T], view: View[T], backoff: Backoff
) -> AsyncGenerator[WatchEvent[T], None]:
    """One list and the changes since. Ends by an error, when following from there is over."""
    listing = await source.client.list(
        source.resource,
        source.namespace,
        label_selector=source.label_selector,
        field_selector=source.field_selector,
        limit=_PAGE,
        type=source.type,
    )
    for event in view.replace(listing.items):
        yield event
    yield WatchEvent("SYNCED")
    version = listing.resource_version
    barren = 0
    while barren < _BARREN_CONNECTIONS:
        barren += 1
        opened = source.timing.clock()
        failure: KubeError | None = None
        try:
            async with aclosing(_one_connection(source, version)) as changes:
                async for change in changes:
                    barren, version = 0, change.version or version
                    backoff.reset()
                    for event in _news(change, view):
                        yield event
        except (ConnectionFailed, ServerError, TooManyRequests) as error:
            failure = error
        if source.timing.clock() - opened >= _LONG_ENOUGH:
            backoff.reset()
        elif barren and failure is None:
            failure = ConnectionFailed(f"the server ended the watch of {source.path} at once")
        if failure is not None:
            await _pause(source, backoff, failure)


async def _one_connection(source: _Source[T], version: str) -> AsyncGenerator[_Change[T], None]:
    """What one HTTP answer tells, until the server ends it.

    A line that a broken connection cut short is left out: its event comes again with the next one.
    """
    splitter = LineSplitter()
    stream = source.client.transport.stream(
        source.path, query=_query(source, version), silence=source.silence
    )
    async with stream as pieces:
        async for piece in pieces:
            for line in splitter.feed(piece):
                yield _read(line, source)
        if last := splitter.rest().strip():
            yield _read(last, source)


def _read(line: bytes, source: _Source[T]) -> _Change[T]:
    """One line of the answer. An ERROR among them is raised as the error that it describes."""
    envelope = decode(line, _Line)
    if envelope.type == "ERROR":
        raise error_from_status(decode(envelope.object, Status))
    if envelope.type == "BOOKMARK":
        bookmark = decode(envelope.object, _Bookmark)
        return _Change("BOOKMARK", bookmark.metadata.resource_version, None)
    item: T = decode(envelope.object, source.type)
    return _Change(envelope.type, source.identify(item).version, item)


def _news(change: _Change[T], view: View[T]) -> Iterator[WatchEvent[T]]:
    if change.item is None:
        return iter(())
    return view.remove(change.item) if change.kind == "DELETED" else view.put(change.item)


def _query(source: _Source[Any], version: str) -> list[tuple[str, str]]:
    life = _CONNECTION_LIFE * (1 + source.timing.chance())
    query = {
        "watch": "true",
        "allowWatchBookmarks": "true",
        "resourceVersion": version,
        "timeoutSeconds": str(round(life)),
        "labelSelector": source.label_selector,
        "fieldSelector": source.field_selector,
    }
    return [(key, value) for key, value in query.items() if value]


async def _pause(source: _Source[Any], backoff: Backoff, error: KubeError) -> None:
    delay = backoff.next(error)
    source.on_trouble(error, delay)
    await source.timing.sleep(delay)


def _log_trouble(resource: Resource, namespace: str | None) -> Trouble:
    where = f"{resource.plural} in {namespace}" if namespace else f"all {resource.plural}"

    def log(error: KubeError, delay: float) -> None:
        # Versions expire in the ordinary course of things; the rest may be worth a person's look.
        level = logging.INFO if isinstance(error, Gone) else logging.WARNING
        logger.log(level, "The watch of %s goes on in %.1f s after: %s", where, delay, error)

    return log
