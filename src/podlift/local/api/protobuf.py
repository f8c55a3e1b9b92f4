"""Just enough protobuf for what kubectl sends in no other form: access reviews.

Kubernetes puts a message into an envelope that starts with ``k8s`` and a zero byte. See
https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding
"""

from __future__ import annotations

from podlift.local import errors
from podlift.local.kinds import Obj

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"

_RESOURCE = ("namespace", "verb", "group", "version", "resource", "subresource", "name")
_PATH = ("path", "verb")

Fields = dict[int, list[bytes | int]]


def decode_review(data: bytes) -> Obj:
    """A SelfSubject…Review; raises BadRequest for anything that is none."""
    if not data.startswith(_MAGIC):
        raise errors.BadRequest("the protobuf envelope is not of Kubernetes")
    try:
        envelope = _fields(data[len(_MAGIC) :])
        head = _fields(_message(envelope, 1))
        body: Obj = {"apiVersion": _text(head, 1), "kind": _text(head, 2)}
        spec = _fields(_message(_fields(_message(envelope, 2)), 2))
    except (IndexError, UnicodeDecodeError) as error:
        raise errors.BadRequest(f"the protobuf message cannot be read: {error}") from error
    if body["kind"] == "SelfSubjectRulesReview":
        return {**body, "spec": {"namespace": _text(spec, 1)}}
    if body["kind"] != "SelfSubjectAccessReview":
        return body
    attributes: Obj = {}
    for number, name, names in (
        (1, "resourceAttributes", _RESOURCE),
        (2, "nonResourceAttributes", _PATH),
    ):
        if number in spec:
            inner = _fields(_message(spec, number))
            texts = {one: _text(inner, index) for index, one in enumerate(names, start=1)}
            attributes[name] = {one: text for one, text in texts.items() if text}
    return {**body, "spec": attributes}


def _fields(data: bytes) -> Fields:
    """The fields of a message by number."""
    fields: Fields = {}
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        number, wire = tag >> 3, tag & 7
        value: bytes | int
        if wire == 0:
            value, position = _varint(data, position)
        elif wire == 2:
            length, position = _varint(data, position)
            if position + length > len(data):
                raise IndexError("a field is longer than its message")
            value, position = data[position : position + length], position + length
        else:
            raise IndexError(f"wire type {wire} is not expected")
        fields.setdefault(number, []).append(value)
    return fields


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7


def _message(fields: Fields, number: int) -> bytes:
    value = fields.get(number, [b""])[-1]
    return value if isinstance(value, bytes) else b""


def _text(fields: Fields, number: int) -> str:
    return _message(fields, number).decode()
