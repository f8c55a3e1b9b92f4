"""The forms in which objects are answered: whole, metadata alone, or rows of a Table."""

from __future__ import annotations

from collections.abc import Iterable

from podlift.local.api.tables import columns_of, row_of
from podlift.local.kinds import Kind, Obj
from podlift.local.store.objects import Record, decode, encode

_META_VERSION = "meta.k8s.io/v1"


def one(kind: Kind, raw: bytes, form: str, *, include: str = "Metadata") -> bytes:
    """One encoded object in the given form ("" means as it is)."""
    if form == "Table":
        obj = decode(raw)
        version = {"resourceVersion": obj["metadata"]["resourceVersion"]}
        return encode(table(kind, [obj], version, include))
    if form:
        return encode(_partial(decode(raw)))
    return raw


def listing(
    kind: Kind, records: Iterable[Record], meta: Obj, form: str, *, include: str = "Metadata"
) -> bytes:
    """A list in the given form."""
    if form == "Table":
        return encode(table(kind, [decode(record.raw) for record in records], meta, include))
    if form:
        items = [_partial(decode(record.raw)) for record in records]
        name = "PartialObjectMetadataList"
        return encode({"kind": name, "apiVersion": _META_VERSION, "metadata": meta, "items": items})
    head = encode({"kind": f"{kind.kind}List", "apiVersion": kind.api_version, "metadata": meta})
    # Items of a list do not repeat kind and apiVersion, with which every stored object begins.
    prefix = len(f'{{"kind":"{kind.kind}","apiVersion":"{kind.api_version}",')
    items_raw = b",".join(b"{" + record.raw[prefix:] for record in records)
    return head[:-1] + b',"items":[' + items_raw + b"]}"


def table(kind: Kind, objects: list[Obj], meta: Obj, include: str, *, head: bool = True) -> Obj:
    """A Table, as kubectl prints it; *include* says how much of each object goes along.

    See https://kubernetes.io/docs/reference/using-api/api-concepts/#receiving-resources-as-tables
    """
    rows = []
    for obj in objects:
        row: Obj = {"cells": row_of(kind, obj)}
        if include == "Object":
            row["object"] = obj
        elif include != "None":
            row["object"] = _partial(obj)
        rows.append(row)
    columns = columns_of(kind) if head else []
    return {
        "kind": "Table",
        "apiVersion": _META_VERSION,
        "metadata": meta,
        "columnDefinitions": columns,
        "rows": rows,
    }


def _partial(obj: Obj) -> Obj:
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": _META_VERSION,
        "metadata": obj["metadata"],
    }
