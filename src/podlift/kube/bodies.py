"""What goes into a request and comes out of an answer: JSON and queries."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, TypeAlias, TypeVar, overload

import msgspec

from podlift.kube.errors import UnexpectedAnswer

T = TypeVar("T")
Pairs: TypeAlias = list[tuple[str, str]]


def encode(body: object) -> bytes:
    """An object as JSON. Raises TypeError for what JSON cannot say."""
    return msgspec.json.encode(body)


@overload
def decode(answer: bytes, wanted: type[T]) -> T: ...


@overload
def decode(answer: bytes, wanted: Any) -> Any: ...


def decode(answer: bytes, wanted: Any) -> Any:
    """An answer as the type wanted. Raises UnexpectedAnswer where it is not one."""
    try:
        return _decoder(wanted).decode(answer)
    except msgspec.DecodeError as error:
        beginning = answer[:200].decode(errors="replace")
        raise UnexpectedAnswer(
            f"The server's answer is not what the Kubernetes API promises ({error}): {beginning}"
        ) from error


@lru_cache(maxsize=64)
def _decoder(wanted: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(wanted)


def given(**values: str) -> Pairs:
    """Only the parameters that say something."""
    return [(name, value) for name, value in values.items() if value]
