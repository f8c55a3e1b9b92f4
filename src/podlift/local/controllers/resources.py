"""What a pod asks of a node.

See https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/ and, for init
containers and sidecars,
https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/#resource-sharing-within-containers
"""

from __future__ import annotations

from decimal import Decimal

from podlift.local import quantities
from podlift.local.kinds import Obj

Amounts = dict[str, Decimal]


def pod_requests(spec: Obj) -> Amounts:
    """The pod's effective requests."""
    return _effective(spec, "requests")


def pod_limits(spec: Obj) -> Amounts:
    """The pod's effective limits."""
    return _effective(spec, "limits")


def _effective(spec: Obj, part: str) -> Amounts:
    """The larger of what runs together and what any init container needs beside the sidecars."""
    together: Amounts = {}
    for container in spec.get("containers") or ():
        _add(together, _of(container, part))
    sidecars: Amounts = {}
    peak: Amounts = {}
    for container in spec.get("initContainers") or ():
        amounts = _of(container, part)
        if container.get("restartPolicy") == "Always":
            _add(together, amounts)
            _add(sidecars, amounts)
            _raise(peak, sidecars)
        else:
            needed = dict(sidecars)
            _add(needed, amounts)
            _raise(peak, needed)
    _raise(together, peak)
    overhead = spec.get("overhead") or {}
    _add(together, {name: quantities.parse(str(value)) for name, value in overhead.items()})
    return together


def _of(container: Obj, part: str) -> Amounts:
    given = (container.get("resources") or {}).get(part) or {}
    return {name: quantities.parse(str(value)) for name, value in given.items()}


def _add(total: Amounts, more: Amounts) -> None:
    for name, amount in more.items():
        total[name] = total.get(name, Decimal(0)) + amount


def _raise(total: Amounts, to: Amounts) -> None:
    for name, amount in to.items():
        total[name] = max(total.get(name, Decimal(0)), amount)
