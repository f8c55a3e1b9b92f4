"""Authenticated encryption of what must not be readable in a pod's specification.

A task's workload carries a token that lets its bearer act as the task. Whoever may read pods can
read their specifications, so the workload goes in sealed (Fernet: AES-128-CBC with HMAC-SHA256,
https://github.com/fernet/spec). The key is in a Kubernetes Secret that only the worker gets.
"""

from __future__ import annotations

from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

WORKLOAD_VARIABLE = "PODLIFT_WORKLOAD"
"""Environment variable of a worker: its sealed workload."""
KEY_VARIABLE = "PODLIFT_SEAL_KEY"
"""Environment variable of a worker: the key, or several with spaces between."""


class SealError(Exception):
    """A key cannot be used, or a text was not sealed with any of the keys. Never shows either."""


def new_key() -> str:
    """A fresh random key, as text that fits an environment variable."""
    return Fernet.generate_key().decode("ascii")


def seal(data: bytes, key: str) -> str:
    """Encrypt ``data``; the result is text that fits an environment variable.

    Raises ``SealError`` for a key that ``new_key`` did not make.
    """
    return _fernet(key).encrypt(data).decode("ascii")


def unseal(text: str, keys: Sequence[str]) -> bytes:
    """Decrypt what ``seal`` made with one of ``keys``: several while a key is being replaced.

    Raises ``SealError`` when none of them opens it, or the text was altered.
    """
    if not keys:
        raise SealError("There is no key to unseal with.")
    try:
        return MultiFernet([_fernet(key) for key in keys]).decrypt(text.encode("utf-8"))
    except InvalidToken:
        # "from None": the traceback's frames would show the text.
        raise SealError(
            "The text was sealed with another key, or was altered on its way."
        ) from None


def _fernet(key: str) -> Fernet:
    try:
        return Fernet(key.encode("utf-8"))
    except ValueError:
        raise SealError("The key is not 32 url-safe base64-encoded bytes.") from None
