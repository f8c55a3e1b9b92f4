"""Protobuf, as far as kubectl sends objects in no other form.

``kubectl create configmap`` and its like, ``auth can-i`` and ``drain`` send protobuf without
asking; they read answers in JSON. The messages and field numbers here are those that such objects
use. A field beyond them is refused, never dropped: what has a value must arrive.

A message is put into an envelope that starts with ``k8s`` and a zero byte. See
https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding
"""

from __future__ import annotations

import base64
from typing import Any

from podlift.local import errors
from podlift.local.kinds import Obj

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"

#: By message and field number: the JSON name, then the type. ``*`` marks a list, ``map:`` a map.
_MESSAGES: dict[str, dict[int, tuple[str, str]]] = {
    "ObjectMeta": {
        1: ("name", "string"),
        2: ("generateName", "string"),
        3: ("namespace", "string"),
        11: ("labels", "map:string"),
        12: ("annotations", "map:string"),
        13: ("ownerReferences", "*OwnerReference"),
        14: ("finalizers", "*string"),
    },
    "OwnerReference": {
        1: ("kind", "string"),
        3: ("name", "string"),
        4: ("uid", "string"),
        5: ("apiVersion", "string"),
        6: ("controller", "bool"),
        7: ("blockOwnerDeletion", "bool"),
    },
    "Quantity": {1: ("string", "string")},
    "ConfigMap": {
        1: ("metadata", "ObjectMeta"),
        2: ("data", "map:string"),
        3: ("binaryData", "map:bytes"),
        4: ("immutable", "bool"),
    },
    "Secret": {
        1: ("metadata", "ObjectMeta"),
        2: ("data", "map:bytes"),
        3: ("type", "string"),
        4: ("stringData", "map:string"),
        5: ("immutable", "bool"),
    },
    "Namespace": {1: ("metadata", "ObjectMeta")},
    "ServiceAccount": {
        1: ("metadata", "ObjectMeta"),
        3: ("imagePullSecrets", "*LocalObjectReference"),
        4: ("automountServiceAccountToken", "bool"),
    },
    "LocalObjectReference": {1: ("name", "string")},
    "ResourceQuota": {1: ("metadata", "ObjectMeta"), 2: ("spec", "ResourceQuotaSpec")},
    "ResourceQuotaSpec": {1: ("hard", "map:Quantity")},
    "Job": {1: ("metadata", "ObjectMeta"), 2: ("spec", "JobSpec")},
    "JobSpec": {
        1: ("parallelism", "int"),
        2: ("completions", "int"),
        3: ("activeDeadlineSeconds", "int"),
        6: ("template", "PodTemplateSpec"),
        7: ("backoffLimit", "int"),
        8: ("ttlSecondsAfterFinished", "int"),
    },
    "PodTemplateSpec": {1: ("metadata", "ObjectMeta"), 2: ("spec", "PodSpec")},
    "PodSpec": {
        2: ("containers", "*Container"),
        3: ("restartPolicy", "string"),
        4: ("terminationGracePeriodSeconds", "int"),
        5: ("activeDeadlineSeconds", "int"),
        6: ("dnsPolicy", "string"),
        7: ("nodeSelector", "map:string"),
        8: ("serviceAccountName", "string"),
    },
    "Container": {
        1: ("name", "string"),
        2: ("image", "string"),
        3: ("command", "*string"),
        4: ("args", "*string"),
        5: ("workingDir", "string"),
        7: ("env", "*EnvVar"),
        14: ("imagePullPolicy", "string"),
    },
    "EnvVar": {1: ("name", "string"), 2: ("value", "string")},
    "Eviction": {1: ("metadata", "ObjectMeta"), 2: ("deleteOptions", "DeleteOptions")},
    "DeleteOptions": {
        1: ("gracePeriodSeconds", "int"),
        2: ("preconditions", "Preconditions"),
        4: ("propagationPolicy", "string"),
        5: ("dryRun", "*string"),
    },
    "Preconditions": {1: ("uid", "string"), 2: ("resourceVersion", "string")},
    "SelfSubjectReview": {},
    "SelfSubjectRulesReview": {2: ("spec", "RulesSpec")},
    "RulesSpec": {1: ("namespace", "string")},
    "SelfSubjectAccessReview": {2: ("spec", "AccessSpec")},
    "AccessSpec": {
        1: ("resourceAttributes", "ResourceAttributes"),
        2: ("nonResourceAttributes", "NonResourceAttributes"),
    },
    "ResourceAttributes": {
        1: ("namespace", "string"),
        2: ("verb", "string"),
        3: ("group", "string"),
        4: ("version", "string"),
        5: ("resource", "string"),
        6: ("subresource", "string"),
        7: ("name", "string"),
    },
    "NonResourceAttributes": {1: ("path", "string"), 2: ("verb", "string")},
}

Value = bytes | int


def decode(data: bytes) -> Obj:
    """An object in its envelope; raises BadRequest for what is not known here."""
    if not data.startswith(_MAGIC):
        raise errors.BadRequest("the protobuf envelope is not of Kubernetes")
    try:
        envelope = dict(_fields(data[len(_MAGIC) :]))
        head = dict(_fields(_bytes(envelope.get(1, b""))))
        kind = _bytes(head.get(2, b"")).decode()
        if kind not in _MESSAGES:
            raise errors.BadRequest(f"a {kind} is not understood as protobuf; send JSON or YAML")
        body = _message(kind, _bytes(envelope.get(2, b"")))
        return {"apiVersion": _bytes(head.get(1, b"")).decode(), "kind": kind, **body}
    except (IndexError, ValueError) as error:
        raise errors.BadRequest(f"the protobuf message cannot be read: {error}") from error


def _message(name: str, data: bytes) -> Obj:
    known = _MESSAGES[name]
    found: Obj = {}
    for number, value in _fields(data):
        if number not in known:
            if not _is_empty(value):
                raise errors.BadRequest(
                    f"field {number} of {name} is not understood as protobuf; send JSON or YAML"
                )
            continue
        key, kind = known[number]
        if kind.startswith("*"):
            found.setdefault(key, []).append(_value(kind[1:], value))
        elif kind.startswith("map:"):
            entry = dict(_fields(_bytes(value)))
            entry_key = _bytes(entry.get(1, b"")).decode()
            found.setdefault(key, {})[entry_key] = _value(kind[4:], entry.get(2, b""))
        else:
            decoded = _value(kind, value)
            # Go writes out empty fields as well, which JSON leaves out.
            if decoded not in ("", {}):
                found[key] = decoded
    return found


def _value(kind: str, value: Value) -> Any:
    if kind == "string":
        return _bytes(value).decode()
    if kind == "bytes":
        return base64.b64encode(_bytes(value)).decode()
    if kind == "bool":
        return bool(value)
    if kind == "int":
        return value
    inner = _message(kind, _bytes(value))
    return inner.get("string", "0") if kind == "Quantity" else inner


def _is_empty(value: Value) -> bool:
    """Whether a field says nothing: zero, empty, or a message of such fields."""
    if isinstance(value, int) or not value:
        return not value
    try:
        return all(_is_empty(inner) for _, inner in _fields(value))
    except (IndexError, ValueError):
        return False


def _bytes(value: Value) -> bytes:
    if isinstance(value, int):
        raise ValueError("a number where text or a message is expected")
    return value


def _fields(data: bytes) -> list[tuple[int, Value]]:
    """The fields of a message in order."""
    found: list[tuple[int, Value]] = []
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, position = _varint(data, position)
            found.append((number, value))
        elif wire == 2:
            length, position = _varint(data, position)
            if position + length > len(data):
                raise IndexError("a field is longer than its message")
            found.append((number, data[position : position + length]))
            position += length
        else:
            raise IndexError(f"wire type {wire} is not expected")
    return found


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
