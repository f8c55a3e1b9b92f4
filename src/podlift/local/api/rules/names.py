"""Names, labels and annotations, and what is said about bad ones.

See https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
"""

from __future__ import annotations

import re
from typing import Any

from podlift.local.errors import Cause
from podlift.local.kinds import Kind, Obj

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_QUALIFIED = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"

_is_label = re.compile(_LABEL).fullmatch
_is_subdomain = re.compile(_SUBDOMAIN).fullmatch
_is_qualified = re.compile(_QUALIFIED).fullmatch
_is_label_value = re.compile(rf"({_QUALIFIED})?").fullmatch

_SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    f"for validation is '{_SUBDOMAIN}')"
)
_LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used "
    f"for validation is '{_LABEL}')"
)
_LABEL_VALUE_TEXT = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  "
    "or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_QUALIFIED_TEXT = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end "
    "with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "
    "validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)

#: All annotations of an object together may not be larger.
MOST_ANNOTATION_BYTES = 256 << 10


def invalid_value(field: str, value: object, message: str) -> Cause:
    """``FIELD: Invalid value: VALUE: MESSAGE``."""
    shown = f'"{value}"' if isinstance(value, str) else _go(value)
    return Cause("FieldValueInvalid", field, f"Invalid value: {shown}: {message}")


def required(field: str, message: str = "") -> Cause:
    """``FIELD: Required value``."""
    return Cause("FieldValueRequired", field, f"Required value{': ' if message else ''}{message}")


def duplicate(field: str, value: str) -> Cause:
    """``FIELD: Duplicate value: VALUE``."""
    return Cause("FieldValueDuplicate", field, f'Duplicate value: "{value}"')


def unsupported(field: str, value: str, choices: tuple[str, ...]) -> Cause:
    """``FIELD: Unsupported value: VALUE: supported values: …``."""
    known = ", ".join(f'"{choice}"' for choice in sorted(choices))
    return Cause(
        "FieldValueNotSupported", field, f'Unsupported value: "{value}": supported values: {known}'
    )


def forbidden_value(field: str, message: str) -> Cause:
    """``FIELD: Forbidden: MESSAGE``."""
    return Cause("FieldValueForbidden", field, f"Forbidden: {message}")


def _go(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def check_metadata(kind: Kind, obj: Obj) -> list[Cause]:
    """What is wrong with an object's name, labels and annotations."""
    meta = obj["metadata"]
    causes: list[Cause] = []
    name = meta.get("name", "")
    if not name:
        causes.append(required("metadata.name", "name or generateName is required"))
    elif kind.kind == "Namespace":
        causes += check_dns_label("metadata.name", name)
    else:
        causes += check_subdomain("metadata.name", name)
    causes += check_labels("metadata.labels", meta.get("labels"))
    causes += _check_annotations(meta.get("annotations"))
    for index, finalizer in enumerate(meta.get("finalizers") or ()):
        if "/" not in finalizer and finalizer not in ("orphan", "foregroundDeletion"):
            causes.append(
                invalid_value(
                    f"metadata.finalizers[{index}]",
                    finalizer,
                    "name is neither a standard finalizer name nor is it fully qualified",
                )
            )
    return causes


def check_subdomain(field: str, value: str) -> list[Cause]:
    """A DNS-1123 subdomain of at most 253 characters."""
    if len(value) > 253:
        return [invalid_value(field, value, "must be no more than 253 characters")]
    return [] if _is_subdomain(value) else [invalid_value(field, value, _SUBDOMAIN_TEXT)]


def check_dns_label(field: str, value: str) -> list[Cause]:
    """A DNS-1123 label of at most 63 characters."""
    causes = []
    if len(value) > 63:
        causes.append(invalid_value(field, value, "must be no more than 63 characters"))
    if not _is_label(value):
        causes.append(invalid_value(field, value, _LABEL_TEXT))
    return causes


def check_labels(field: str, labels: dict[str, Any] | None) -> list[Cause]:
    """Label keys and values."""
    causes: list[Cause] = []
    for key, value in sorted((labels or {}).items()):
        causes += check_label_key(field, key)
        if len(value) > 63:
            causes.append(invalid_value(field, value, "must be no more than 63 characters"))
        elif not _is_label_value(value):
            causes.append(invalid_value(field, value, _LABEL_VALUE_TEXT))
    return causes


def check_label_key(field: str, key: str) -> list[Cause]:
    """A key: an optional DNS prefix, a slash, and a name of at most 63 characters."""
    prefix, slash, name = key.rpartition("/")
    if slash and not (prefix and len(prefix) <= 253 and _is_subdomain(prefix)):
        return [invalid_value(field, key, f"prefix part {_SUBDOMAIN_TEXT}")]
    if not name:
        return [invalid_value(field, key, "name part must be non-empty")]
    if len(name) > 63:
        return [invalid_value(field, key, "name part must be no more than 63 characters")]
    return [] if _is_qualified(name) else [invalid_value(field, key, _QUALIFIED_TEXT)]


def _check_annotations(annotations: dict[str, str] | None) -> list[Cause]:
    causes: list[Cause] = []
    size = 0
    for key, value in (annotations or {}).items():
        causes += check_label_key("metadata.annotations", key.lower())
        size += len(key.encode()) + len(value.encode())
    if size > MOST_ANNOTATION_BYTES:
        message = f"Too long: may not be more than {MOST_ANNOTATION_BYTES} bytes"
        causes.append(Cause("FieldValueTooLong", "metadata.annotations", message))
    return causes
