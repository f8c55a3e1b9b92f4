"""``get`` and ``list``."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice

import msgspec

from podlift.local import errors
from podlift.local.api import forms
from podlift.local.api.requests import Target
from podlift.local.api.selectors import Selector, selector_of
from podlift.local.errors import Cause
from podlift.local.kinds import Kind, Obj
from podlift.local.store import Store
from podlift.local.store.objects import Record


def read_one(store: Store, target: Target, form: str, query: Mapping[str, str]) -> bytes:
    """The answer to ``get``; raises NotFound."""
    record = store.record(target.kind, target.namespace, target.name or "")
    return forms.one(target.kind, record.raw, form, include=query.get("includeObject", "Metadata"))


def read_list(store: Store, target: Target, form: str, query: Mapping[str, str]) -> bytes:
    """The answer to ``list``, one page of it where ``limit`` says so.

    Later pages carry the resourceVersion of the first. They show the objects as they are now,
    which a watch from that version makes good.
    """
    selector = selector_of(target.kind, target.namespace, target.name, query)
    check_list_options(query)
    version = _checked_version(store, query)
    # A version of 0 asks for whatever is at hand, and gets all of it, as from a watch cache.
    limit = None if query.get("resourceVersion") == "0" else _number(query, "limit")
    token = query.get("continue")
    page = _Page.of(token) if token else None
    if page and page.version < store.oldest(target.kind):
        raise _continue_expired()
    records = list(_matching(store, target.kind, selector, page.start if page else None))
    kept = list(islice(records, limit or None))
    meta: Obj = {"resourceVersion": str(page.version if page else version)}
    if len(kept) < len(records):
        last = kept[-1].facts
        meta["continue"] = _Page(
            page.version if page else version, f"{last.namespace}/{last.name}"
        ).token()
        # With a selector the server cannot know the rest without reading it, and says nothing.
        if not selector.labels and not selector.fields:
            meta["remainingItemCount"] = len(records) - len(kept)
    include = query.get("includeObject", "Metadata")
    return forms.listing(target.kind, kept, meta, form, include=include)


def _matching(store: Store, kind: Kind, selector: Selector, after: str | None) -> list[Record]:
    start = tuple(after.split("/", 1)) if after is not None else ("", "")
    return [
        record
        for record in store.records(kind, selector.namespace)
        if (record.facts.namespace, record.facts.name) > start and selector.matches(record.facts)
    ]


@dataclass(frozen=True, slots=True)
class _Page:
    """Where a page begins: the list's version and the last object of the page before."""

    version: int
    start: str

    def token(self) -> str:
        raw = msgspec.json.encode({"v": "meta.k8s.io/v1", "rv": self.version, "start": self.start})
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")

    @classmethod
    def of(cls, token: str) -> _Page:
        try:
            raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
            fields = msgspec.json.decode(raw)
            return cls(int(fields["rv"]), str(fields["start"]))
        except (binascii.Error, msgspec.MsgspecError, UnicodeDecodeError) as error:
            why = "invalid character 'i' looking for beginning of value"
            raise errors.BadRequest(
                f"invalid continue token: continue key is not valid: {why}"
            ) from error
        except (KeyError, TypeError, ValueError) as error:
            raise errors.BadRequest(
                "invalid continue token: continue key is not valid: incorrect encoded start key"
            ) from error


def check_list_options(query: Mapping[str, str]) -> None:
    """Refuse combinations of list and watch options that make no sense (422)."""
    match = query.get("resourceVersionMatch", "")
    initial = query.get("sendInitialEvents", "")
    why = ""
    if initial and match != "NotOlderThan":
        why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
    elif match and not query.get("resourceVersion") and not initial:
        why = "resourceVersionMatch is forbidden unless resourceVersion is provided"
    if why:
        cause = Cause("FieldValueForbidden", "resourceVersionMatch", f"Forbidden: {why}")
        raise errors.invalid("ListOptions", "", [cause], "meta.k8s.io")


def version_number(text: str) -> int:
    """A resourceVersion as a number; raises what the real server answers to another text."""
    if not text.isdigit():
        raise _PlainError(
            f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: '
            f'parsing "{text}": invalid syntax'
        )
    return int(text)


class _PlainError(errors.InternalError):
    """The real server answers this mistake with a 500 that has no reason."""

    reason = ""


def _checked_version(store: Store, query: Mapping[str, str]) -> int:
    wanted = version_number(query.get("resourceVersion") or "0")
    if wanted > store.version:
        raise errors.GatewayTimeout(
            f"Timeout: Too large resource version: {wanted}, current: {store.version}",
            details={
                "causes": [
                    {
                        "reason": "ResourceVersionTooLarge",
                        "message": "Too large resource version",
                    }
                ],
                "retryAfterSeconds": 1,
            },
            retry_after=1,
        )
    return store.version


def _continue_expired() -> errors.Expired:
    return errors.Expired(
        "The provided continue parameter is too old to display a consistent list result. "
        "You can start a new list without the continue parameter."
    )


def _number(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name)
    if not text:
        return None
    if not text.isdigit():
        raise errors.BadRequest(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    return int(text)
