"""What the kubelet refuses to run, whoever bound it to the node; pure.

The scheduler has checked most pods before; one with ``spec.nodeName`` set comes unchecked.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from podlift.local.controllers.fitting import Node, misfits
from podlift.local.controllers.resources import pod_requests
from podlift.local.kubelet.contract import Obj

_AFFINITY = "node(s) didn't match Pod's node affinity/selector"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a pod is not run: the reason of its status, and the sentence of its event."""

    reason: str
    message: str


def refusal(pod: Obj, node: Node) -> Refusal | None:
    """Why *node*, as it is without the pod, does not take it; None where it does."""
    for misfit in misfits(pod, node):
        if misfit == _AFFINITY:
            return Refusal("NodeAffinity", f"Predicate NodeAffinity failed: {_AFFINITY}")
        if misfit == "Too many pods":
            return _short(pod, node, "pods")
        if misfit.startswith("Insufficient "):
            return _short(pod, node, misfit.removeprefix("Insufficient "))
    return None


def _short(pod: Obj, node: Node, resource: str) -> Refusal:
    unit = 1000 if resource == "cpu" else 1
    wanted = {**pod_requests(pod["spec"]), "pods": Decimal(1)}[resource]
    used = node.taken.get(resource, Decimal(0))
    capacity = node.allocatable.get(resource, Decimal(0))
    return Refusal(
        f"OutOf{resource}",
        f"Node didn't have enough resource: {resource}, requested: {int(wanted * unit)}, "
        f"used: {int(used * unit)}, capacity: {int(capacity * unit)}",
    )
