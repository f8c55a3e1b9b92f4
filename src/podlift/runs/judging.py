"""What the status of an object says of its work: done, failed, or still going on. Pure.

Kubernetes' Jobs and the custom kinds of operators all write it somewhere into the object; where,
and which words mean what, a ``Judgement`` says as plain data.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from podlift.pods.plain import Manifest

_STEP = re.compile(r"(?P<name>[^\[\]]+)(?:\[(?P<key>[^=\[\]]+)=(?P<value>[^\[\]]*)\])?")
_SEPARATOR = re.compile(r"\.(?![^\[]*\])")


class Sign(msgspec.Struct, frozen=True):
    """A place in the object, and the values there that mean something."""

    path: str
    """Fields with dots between; ``conditions[type=Ready]`` picks from a list by a field."""
    values: tuple[str, ...]


class Judgement(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How the end of an object's work is recognised."""

    success: tuple[Sign, ...]
    """Each of them alone means that the work is done."""
    failure: tuple[Sign, ...] = ()
    """Each of them alone means that it failed; looked at first."""
    words: tuple[str, ...] = ()
    """Paths of what the object itself says of a failure: reasons and messages."""
    progress: tuple[str, ...] = ()
    """Paths of what is worth telling whenever it changes."""


class Verdict(msgspec.Struct, frozen=True):
    """The work has ended. ``words`` is what the object says of it."""

    succeeded: bool
    words: str = ""


def value_at(manifest: Manifest, path: str) -> Any:
    """What is at a path; None where nothing is.

    Raises ``ValueError`` for what is no path.
    """
    found: Any = manifest
    for text in _SEPARATOR.split(path):
        step = _STEP.fullmatch(text)
        if step is None:
            raise ValueError(f"{path!r} is no path: {text!r} is neither name nor name[key=value].")
        found = found.get(step["name"]) if isinstance(found, Mapping) else None
        if step["key"] is not None:
            found = _picked(found, step["key"], step["value"])
    return found


def verdict_of(manifest: Manifest, judgement: Judgement) -> Verdict | None:
    """How the object's work has ended; None while it goes on."""
    if any(_shows(manifest, sign) for sign in judgement.failure):
        said = (value_at(manifest, path) for path in judgement.words)
        return Verdict(False, ": ".join(str(each).strip().rstrip(".") for each in said if each))
    if any(_shows(manifest, sign) for sign in judgement.success):
        return Verdict(True)
    return None


def progress_of(manifest: Manifest, judgement: Judgement) -> str:
    """What there is to tell of the work, in one line; empty for nothing."""
    found = ((path, value_at(manifest, path)) for path in judgement.progress)
    return ", ".join(f"{_name(path)} {value}" for path, value in found if value not in (None, ""))


def _shows(manifest: Manifest, sign: Sign) -> bool:
    value = value_at(manifest, sign.path)
    return value is not None and str(value) in sign.values


def _picked(items: Any, key: str, value: str) -> Any:
    if not isinstance(items, list):
        return None
    fitting = (
        item for item in items if isinstance(item, Mapping) and str(item.get(key, "")) == value
    )
    return next(fitting, None)


def _name(path: str) -> str:
    return _SEPARATOR.split(path)[-1]
