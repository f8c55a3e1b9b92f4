"""Authenticated encryption of what must not be readable in a pod's specification.

A task's workload carries a token that lets its bearer act as the task. Whoever may read pods can
read their specifications, so the workload goes in sealed (Fernet: AES-128-CBC with HMAC-SHA256,
https://github.com/fernet/spec). The key is in a Kubernetes Secret that only the worker gets.
"""

from __future__ import annotations

import zlib
from collections.abc import MutableMapping, Sequence
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

WORKLOAD_VARIABLE = "PODLIFT_WORKLOAD"
"""Environment variable of a worker: its sealed workload. A long one goes on in ``…_2``, ``…_3``."""
KEY_VARIABLE = "PODLIFT_SEAL_KEY"
"""Environment variable of a worker: the key, or several with spaces between."""


_LONGEST_VARIABLE = 120_000
"""Linux takes 128 KiB at most for one string of an environment (MAX_ARG_STRLEN)."""
_LONGEST = 900_000
"""Kubernetes keeps objects of up to 1.5 MiB, and a process starts with 2 MiB of environment."""
_WORTH_COMPRESSING = 4096


class SealError(Exception):
    """A key cannot be used, a text was not sealed with any of the keys, or it is too long. Never
    shows key or text."""


def new_key() -> str:
    """A fresh random key, as text that fits an environment variable."""
    return Fernet.generate_key().decode("ascii")


def seal(data: bytes, key: str) -> str:
    """Encrypt ``data``; the result is text for ``to_variables``.

    Raises ``SealError`` for a key that ``new_key`` did not make.
    """
    marked = b"z" + zlib.compress(data) if len(data) > _WORTH_COMPRESSING else b"-" + data
    return _fernet(key).encrypt(marked).decode("ascii")


def unseal(text: str, keys: Sequence[str]) -> bytes:
    """Decrypt what ``seal`` made with one of ``keys``: several while a key is being replaced.

    Raises ``SealError`` when none of them opens it, or the text was altered.
    """
    if not keys:
        raise SealError("There is no key to unseal with.")
    try:
        marked = MultiFernet([_fernet(key) for key in keys]).decrypt(text.encode("utf-8"))
    except InvalidToken:
        # "from None": the traceback's frames would show the text.
        raise SealError(
            "The text was sealed with another key, or was altered on its way."
        ) from None

    return zlib.decompress(marked[1:]) if marked[:1] == b"z" else marked[1:]


def to_variables(text: str) -> dict[str, str]:
    """The environment variables that carry a sealed text to a worker.

    Raises ``SealError`` for one that no pod can carry.
    """
    if len(text) > _LONGEST:
        raise SealError(
            f"What the task needs to know is {len(text) / 1e6:.1f} MB sealed, and a pod can carry "
            f"{_LONGEST / 1e6:.1f} MB: keep large values in XCom, in a file or in object storage."
        )
    parts = [text[at : at + _LONGEST_VARIABLE] for at in range(0, len(text), _LONGEST_VARIABLE)]
    return {_variable(number): part for number, part in enumerate(parts, 1)}


def from_variables(environment: MutableMapping[str, str]) -> str:
    """Take the sealed text out of an environment; empty if there is none in it."""
    parts: list[str] = []
    while (part := environment.pop(_variable(len(parts) + 1), None)) is not None:
        parts.append(part)
    return "".join(parts)


def _variable(number: int) -> str:
    return WORKLOAD_VARIABLE if number == 1 else f"{WORKLOAD_VARIABLE}_{number}"


@lru_cache(maxsize=64)  # one key for each namespace
def _fernet(key: str) -> Fernet:
    try:
        return Fernet(key.encode("utf-8"))
    except ValueError:
        raise SealError("The key is not 32 url-safe base64-encoded bytes.") from None
