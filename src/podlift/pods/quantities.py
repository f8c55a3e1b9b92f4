"""Kubernetes quantities of bytes: ``64Mi``, ``1.5G``, ``1e3``, ``500``, ``128974848000m``.

https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
"""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Decimal

_SYNTAX = re.compile(
    r"([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))(?:([eE][+-]?[0-9]{1,3})|([numkMGTPE]|[KMGTPE]i)?)"
)
_BINARY = {f"{letter}i": 2 ** (10 * power) for power, letter in enumerate("KMGTPE", 1)}
_DECIMAL = {"k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18, "m": -3, "u": -6, "n": -9}
_UNITS = {
    "": Decimal(1),
    **{suffix: Decimal(10) ** power for suffix, power in _DECIMAL.items()},
    **{suffix: Decimal(factor) for suffix, factor in _BINARY.items()},
}


def bytes_of(quantity: str | int | float) -> int:
    """The whole number of bytes, rounded up as the API server does.

    Raises ``ValueError`` for what is no quantity.
    """
    text = str(quantity)
    match = _SYNTAX.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a quantity: write 512Mi, 2Gi, 1.5G or a number.")
    number, exponent, suffix = match.groups()
    value = Decimal(number + exponent) if exponent else Decimal(number) * _UNITS[suffix or ""]
    return int(value.to_integral_value(ROUND_CEILING))


def in_bytes(number: int) -> str:
    """The shortest exact way to write a number of bytes: ``96Mi``, ``3Gi``, ``1000``."""
    for suffix, unit in reversed(_BINARY.items()):
        if number and number % unit == 0:
            return f"{number // unit}{suffix}"
    return str(number)
