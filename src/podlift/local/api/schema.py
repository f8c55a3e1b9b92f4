"""The shape of objects, compiled from the OpenAPI schemas.

It finds unknown fields and wrong types, and tells patches how lists are merged.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from functools import cache
from typing import Any

from podlift.local import errors, quantities
from podlift.local.api.openapi import load_schemas
from podlift.local.api.openapi.documents import schema_name
from podlift.local.kinds import Kind, Obj

_REF = "#/components/schemas/"
_GO_TYPES = {"string": "string", "boolean": "bool", "integer": "int64", "number": "float64"}


@dataclass(slots=True)
class Shape:
    """One field's type; ``fields`` is for objects, ``items`` for arrays and maps."""

    type: str
    struct: str = ""
    format: str = ""
    fields: dict[str, Shape] | None = None
    items: Shape | None = None
    merge_key: str = ""
    merges: bool = False
    list_type: str = ""
    map_keys: tuple[str, ...] = ()
    atomic: bool = False


@cache
def shape_of(kind: Kind) -> Shape:
    """The shape of a kind's objects."""
    compiler = _compiler()
    return compiler.named(schema_name(kind, compiler.schemas))


@cache
def _compiler() -> _Compiler:
    return _Compiler(load_schemas())


class _Compiler:
    """Turns schemas into shapes, each named one once, so that they may refer to themselves."""

    def __init__(self, schemas: dict[str, Any]) -> None:
        self.schemas = schemas
        self._named: dict[str, Shape] = {}

    def named(self, name: str) -> Shape:
        """The shape of a schema by its name."""
        known = self._named.get(name)
        if known is None:
            known = self._named[name] = Shape("any", struct=name.rpartition(".")[2])
            self._fill(known, self.schemas[name])
        return known

    def _fill(self, shape: Shape, schema: dict[str, Any]) -> None:
        if shape.struct == "Quantity":
            shape.type = "quantity"
        elif "oneOf" in schema:
            shape.type = "any"
        elif "properties" in schema:
            shape.type = "object"
            shape.fields = {key: self._field(one) for key, one in schema["properties"].items()}
        else:
            # An object without properties is free-form, as FieldsV1 and RawExtension are.
            shape.type = schema.get("type", "any") if schema.get("type") != "object" else "any"
            shape.format = schema.get("format", "")
        if schema.get("x-kubernetes-map-type") == "atomic":
            shape.atomic = True

    def _field(self, schema: dict[str, Any]) -> Shape:
        reference = schema.get("$ref") or next(
            (part["$ref"] for part in schema.get("allOf", ()) if "$ref" in part), None
        )
        if reference:
            return self.named(reference.removeprefix(_REF))
        kind = schema.get("type", "any")
        if kind == "array":
            return self._array(schema)
        if kind == "object":
            atomic = schema.get("x-kubernetes-map-type") == "atomic"
            if "additionalProperties" not in schema:
                return Shape("any", atomic=atomic)
            items = self._field(schema["additionalProperties"])
            return Shape("map", items=items, atomic=atomic)
        return Shape(kind, format=schema.get("format", ""))

    def _array(self, schema: dict[str, Any]) -> Shape:
        return Shape(
            "array",
            items=self._field(schema["items"]),
            merge_key=schema.get("x-kubernetes-patch-merge-key", ""),
            merges="merge" in schema.get("x-kubernetes-patch-strategy", "").split(","),
            list_type=schema.get("x-kubernetes-list-type", "atomic"),
            map_keys=tuple(schema.get("x-kubernetes-list-map-keys", ())),
        )


def check_fields(kind: Kind, body: Obj, how: str) -> list[str]:
    """Put *body* into the kind's shape, in place: unknown fields and nulls go, quantities settle.

    *how* is the request's fieldValidation: ``Strict`` raises BadRequest for unknown fields, with
    ``Warn`` (the default) they are returned as warnings, with ``Ignore`` they go silently. A wrong
    type raises BadRequest always.
    """
    walk = _Walk(kind)
    walk.enter(shape_of(kind), body, "")
    texts = [f'unknown field "{path}"' for path in walk.unknown]
    if texts and how == "Strict":
        raise walk.refusal(f"strict decoding error: {', '.join(texts)}")
    return [] if how == "Ignore" else texts


class _Walk:
    """One pass over an object."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self.unknown: list[str] = []

    def refusal(self, why: str) -> errors.BadRequest:
        """The error for an object that does not fit its kind."""
        kind = self._kind
        return errors.BadRequest(
            f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: {why}'
        )

    def enter(self, shape: Shape, value: Obj, path: str) -> None:
        """Check the fields of an object."""
        assert shape.fields is not None
        for key in list(value):
            at = f"{path}.{key}" if path else key
            field = shape.fields.get(key)
            if field is None:
                self.unknown.append(at)
                del value[key]
            elif value[key] is None:
                # A time that is not known yet is null on the wire; everything else is left out.
                if field.format != "date-time":
                    del value[key]
            else:
                value[key] = self._check(field, value[key], at, shape.struct)

    def _check(self, shape: Shape, value: Any, path: str, struct: str) -> Any:
        kind = shape.type
        if kind == "string":
            if not isinstance(value, str):
                raise self._wrong(value, path, struct, "string")
            if shape.format == "byte":
                self._check_base64(value)
        elif kind == "object":
            if not isinstance(value, dict):
                raise self._wrong(value, path, struct, f"v1.{shape.struct}")
            self.enter(shape, value, path)
        elif kind == "array":
            self._check_array(shape, value, path, struct)
        elif kind == "map":
            self._check_map(shape, value, path, struct)
        elif kind == "quantity":
            return self._quantity(value)
        elif kind == "integer" and (not isinstance(value, int) or isinstance(value, bool)):
            raise self._wrong(value, path, struct, shape.format or "int64")
        elif kind == "boolean" and not isinstance(value, bool):
            raise self._wrong(value, path, struct, "bool")
        return value

    def _check_array(self, shape: Shape, value: Any, path: str, struct: str) -> None:
        if not isinstance(value, list):
            raise self._wrong(value, path, struct, "[]slice")
        assert shape.items is not None
        for index, item in enumerate(value):
            value[index] = self._check(shape.items, item, f"{path}[{index}]", struct)

    def _check_map(self, shape: Shape, value: Any, path: str, struct: str) -> None:
        if not isinstance(value, dict):
            raise self._wrong(value, path, struct, "map[string]string")
        assert shape.items is not None
        for key, item in value.items():
            filled = "" if item is None else item
            value[key] = self._check(shape.items, filled, f"{path}.{key}", struct)

    def _quantity(self, value: Any) -> str:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise self.refusal(quantities.SYNTAX_MESSAGE)
        try:
            return quantities.canonical_text(str(value))
        except ValueError as error:
            raise self.refusal(str(error)) from None

    def _check_base64(self, value: str) -> None:
        try:
            base64.b64decode(value, validate=True)
        except binascii.Error:
            good = next(
                (i for i, c in enumerate(value) if not (c.isalnum() or c in "+/")), len(value)
            )
            raise self.refusal(f"illegal base64 data at input byte {good}") from None

    def _wrong(self, value: Any, path: str, struct: str, wanted: str) -> errors.BadRequest:
        names = {str: "string", bool: "bool", int: "number", float: "number", list: "array"}
        found = names.get(type(value), "object")
        wanted = _GO_TYPES.get(wanted, wanted)
        return self.refusal(
            f"json: cannot unmarshal {found} into Go struct field {struct}.{path} of type {wanted}"
        )
