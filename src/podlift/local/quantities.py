"""Quantities: ``500m``, ``1.5``, ``64Mi``, ``2G``, ``1e3``.

See https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from functools import lru_cache

#: What the API server says to anything else.
SYNTAX_MESSAGE = (
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
)

_SYNTAX = re.compile(r"([+-]?[0-9.]+)([eE][-+]?[0-9]+|[numkMGTPE]|[KMGTPE]i|)")
_SUFFIXES = {
    "": Decimal(1),
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "k": Decimal(10**3),
    "M": Decimal(10**6),
    "G": Decimal(10**9),
    "T": Decimal(10**12),
    "P": Decimal(10**15),
    "E": Decimal(10**18),
    "Ki": Decimal(2**10),
    "Mi": Decimal(2**20),
    "Gi": Decimal(2**30),
    "Ti": Decimal(2**40),
    "Pi": Decimal(2**50),
    "Ei": Decimal(2**60),
}


@lru_cache(maxsize=1024)
def parse(text: str) -> Decimal:
    """The number behind a quantity; raises ValueError with the API server's words."""
    match = _SYNTAX.fullmatch(text)
    if match is None:
        raise ValueError(SYNTAX_MESSAGE)
    number, suffix = match.groups()
    try:
        if suffix in _SUFFIXES:
            return Decimal(number) * _SUFFIXES[suffix]
        return Decimal(number + suffix)
    except InvalidOperation:
        raise ValueError(SYNTAX_MESSAGE) from None


def canonical(value: Decimal) -> str:
    """A decimal quantity in the server's way of writing: ``2``, ``100m``, ``1500m``."""
    if value == value.to_integral_value():
        return str(int(value))
    return f"{int((value * 1000).to_integral_value(rounding='ROUND_UP'))}m"


def canonical_bytes(value: Decimal) -> str:
    """A binary quantity in the server's way of writing: ``100Mi``, ``1Gi``, ``1000``."""
    number = int(value)
    for suffix in ("Ei", "Pi", "Ti", "Gi", "Mi", "Ki"):
        unit = int(_SUFFIXES[suffix])
        if number and number % unit == 0:
            return f"{number // unit}{suffix}"
    return str(number)


def canonical_text(text: str) -> str:
    """A quantity as the API server writes it back: ``0.5`` as ``500m``, ``1024Mi`` as ``1Gi``.

    The kind of suffix stays; the number becomes whole under the largest suffix that allows it.
    """
    value = parse(text)
    match = _SYNTAX.fullmatch(text)
    suffix = match.group(2) if match else ""
    if suffix.endswith("i") and value == value.to_integral_value():
        return canonical_bytes(value)
    if value == 0:
        return "0"
    for name in ("E", "P", "T", "G", "M", "k", "", "m", "u", "n"):
        number = value / _SUFFIXES[name]
        if number == number.to_integral_value():
            return f"{int(number)}{name}"
    return text
