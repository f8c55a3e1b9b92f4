"""More memory for a container that ran out of it."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal

from podlift.pods.plain import Manifest
from podlift.pods.quantities import bytes_of, in_bytes
from podlift.pods.reading import Pod

_STEP = 2**20
"""Grown amounts are whole mebibytes: nobody wants to read others."""


def memory_of(pod: Pod, container: str) -> int | None:
    """Bytes that the container may use, or asked for where it has no limit; None for neither."""
    for each in (*(pod.spec.containers or ()), *pod.spec.init_containers):
        if each.name == container:
            given = each.resources.limits.get("memory", each.resources.requests.get("memory"))
            return None if given is None else bytes_of(given)
    return None


def grown(memory: int, factor: float, ceiling: int | None, times: int = 1) -> int:
    """``memory`` bytes multiplied ``times`` times, never more than ``ceiling``, and never less than
    before."""
    wanted = int((memory * Decimal(str(factor)) ** times).to_integral_value(ROUND_CEILING))
    if wanted > memory:
        wanted = -(-wanted // _STEP) * _STEP
    if ceiling is not None:
        wanted = min(wanted, ceiling)
    return max(wanted, memory)


def give_more(container: Manifest, factor: float, ceiling: int | None, times: int) -> str:
    """Raise a container's memory request and limit in place; returns what it may use now.

    What it has neither of is not added: without a limit the node's memory was the limit. Returns
    an empty text then.
    """
    resources = container.setdefault("resources", {})
    allowed = ""
    for kind in ("requests", "limits"):
        amounts = resources.get(kind) or {}
        if "memory" in amounts:
            more = grown(bytes_of(amounts["memory"]), factor, ceiling, times)
            allowed = amounts["memory"] = in_bytes(more)
    return allowed
