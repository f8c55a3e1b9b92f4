"""Names and label values that the API server takes, made from names that people chose.

Rules: https://kubernetes.io/docs/concepts/overview/working-with-objects/names/ and
https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

MAX_LENGTH = 63
"""Longest DNS-1123 label and longest label value."""

_HASH_LENGTH = 12  # 60 bits: no collision among all the pods that a namespace will ever hold
_LABEL_HASH_LENGTH = 8
_LETTERS = b"abcdefghijklmnopqrstuvwxyz234567" * 8
"""For each byte a letter or digit, with five of its bits."""
_NOT_IN_A_NAME = re.compile(r"[^a-z0-9]+")
_NOT_IN_A_LABEL = re.compile(r"[^A-Za-z0-9_.-]+")
_LABEL_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")


def pod_name(prefix_parts: Sequence[str], uid: str, launch: int) -> str:
    """Name a pod ``<parts>-<hash of uid>-<launch>``: a DNS-1123 label, so at most 63 characters.

    The same arguments always give the same name, so a creation that is repeated finds its own pod;
    another ``uid`` or ``launch`` gives another name. The parts are for the reader: they are cut
    (the longest first) until everything fits.

    Raises ``ValueError`` for a negative launch number or an empty uid.
    """
    if launch < 0 or not uid:
        raise ValueError(
            f"a pod name needs a uid and a launch number of 0 or more: {uid!r}, {launch}"
        )
    ending = f"{_hash(uid, _HASH_LENGTH)}-{launch}"
    parts = [part for part in map(_name_part, prefix_parts) if part] or ["pod"]
    prefix = "-".join(_fit(parts, MAX_LENGTH - len(ending) - 1))
    return f"{prefix}-{ending}"


def launch_in(name: str, uid: str) -> int | None:
    """The launch number in a name that ``pod_name`` made for this uid; None in any other."""
    start, _, launch = name.rpartition("-")
    named = launch.isdecimal() and start.endswith(f"-{_hash(uid, _HASH_LENGTH)}")
    return int(launch) if named else None


@lru_cache(maxsize=4096)  # DAGs and runs have many tasks
def label_value(text: str) -> str:
    """Return ``text`` if it is a valid label value; else a readable form of it that is.

    A text that had to be altered ends with a hash of the original, so that two long names with the
    same beginning stay apart.
    """
    if _LABEL_VALUE.fullmatch(text):
        return text
    digest = _hash(text, _LABEL_HASH_LENGTH)
    safe = _NOT_IN_A_LABEL.sub("-", _ascii(text))[: MAX_LENGTH - len(digest) - 1].strip("-_.")
    return f"{safe}-{digest}" if safe else digest


def _hash(text: str, length: int) -> str:
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    return digest[:length].translate(_LETTERS).decode("ascii")


def _ascii(text: str) -> str:
    if text.isascii():
        return text
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")


def _name_part(text: str) -> str:
    return _NOT_IN_A_NAME.sub("-", _ascii(text).lower()).strip("-")


def _fit(parts: list[str], room: int) -> list[str]:
    """Cut the parts so that they fit when joined by hyphens, taking from the longest first."""
    parts = parts[: (room + 1) // 2]  # each needs a character and a hyphen
    letters = room - (len(parts) - 1)
    limit = max(map(len, parts))
    while sum(min(len(part), limit) for part in parts) > letters:
        limit -= 1
    return [part[:limit].strip("-") for part in parts]
