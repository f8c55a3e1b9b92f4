"""Whether a pod fits a node, and how the scheduler says why it does not."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal

from podlift.local import quantities
from podlift.local.controllers.resources import Amounts, pod_requests
from podlift.local.kinds import Obj

_PREEMPTION = "preemption: 0/{0} nodes are available: {0} Preemption is not helpful for scheduling."


@dataclass(slots=True)
class Node:
    """A node's labels, taints and room, and what the pods on it take of that."""

    name: str
    labels: dict[str, str]
    taints: list[Obj]
    unschedulable: bool
    allocatable: Amounts
    pods: dict[str, Amounts] = field(default_factory=dict)
    taken: Amounts = field(default_factory=dict)

    @classmethod
    def of(cls, node: Obj, known: Node | None) -> Node:
        """Read a node; the pods of the *known* state stay on it."""
        spec, status = node.get("spec") or {}, node.get("status") or {}
        room = status.get("allocatable") or status.get("capacity") or {}
        return cls(
            node["metadata"]["name"],
            node["metadata"].get("labels") or {},
            spec.get("taints") or [],
            bool(spec.get("unschedulable")),
            {name: quantities.parse(str(value)) for name, value in room.items()},
            known.pods if known else {},
            known.taken if known else {},
        )

    def see(self, pod: Obj, *, gone: bool) -> bool:
        """Count a pod that is on this node, or count it no more; True where room came free."""
        uid = pod["metadata"]["uid"]
        over = gone or (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
        if over or pod["spec"].get("nodeName") != self.name:
            freed = self.pods.pop(uid, {})
            for name, amount in freed.items():
                self.taken[name] -= amount
            return bool(freed)
        if uid not in self.pods:
            amounts = {**pod_requests(pod["spec"]), "pods": Decimal(1)}
            self.pods[uid] = amounts
            for name, amount in amounts.items():
                self.taken[name] = self.taken.get(name, Decimal(0)) + amount
        return False


def misfits(pod: Obj, node: Node) -> list[str]:
    """Why the pod cannot go onto the node; empty where it can."""
    spec = pod["spec"]
    if node.unschedulable and not _tolerates(spec, {"key": "node.kubernetes.io/unschedulable"}):
        return ["node(s) were unschedulable"]
    if not _is_selected(spec, node):
        return ["node(s) didn't match Pod's node affinity/selector"]
    for taint in node.taints:
        if taint.get("effect") in ("NoSchedule", "NoExecute") and not _tolerates(spec, taint):
            return ["node(s) had untolerated taint(s)"]
    wanted = {**pod_requests(spec), "pods": Decimal(1)}
    short = [
        name
        for name, amount in wanted.items()
        if amount and node.taken.get(name, Decimal(0)) + amount > _room(node, name)
    ]
    return ["Too many pods" if name == "pods" else f"Insufficient {name}" for name in sorted(short)]


def explain(reasons: list[str], nodes: int) -> str:
    """The scheduler's sentence for the reasons of all nodes."""
    if not nodes:
        return "no nodes available to schedule pods"
    counted = ", ".join(f"{count} {reason}" for reason, count in sorted(Counter(reasons).items()))
    return (
        f"0/{nodes} nodes are available: {counted}. "
        f"no new claims to deallocate, {_PREEMPTION.format(nodes)}"
    )


def explain_missing(claim: str, nodes: int) -> str:
    """The scheduler's sentence for a claim that is not there."""
    return f'0/{nodes} nodes are available: persistentvolumeclaim "{claim}" not found. not found'


def _room(node: Node, name: str) -> Decimal:
    return node.allocatable.get(name, Decimal(0))


def _is_selected(spec: Obj, node: Node) -> bool:
    wanted = spec.get("nodeSelector") or {}
    if any(node.labels.get(key) != value for key, value in wanted.items()):
        return False
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    terms = required.get("nodeSelectorTerms")
    return terms is None or any(_matches_term(term, node) for term in terms)


def _matches_term(term: Obj, node: Node) -> bool:
    by_label = [_matches(one, node.labels) for one in term.get("matchExpressions") or ()]
    fields = {"metadata.name": node.name}
    by_field = [_matches(one, fields) for one in term.get("matchFields") or ()]
    return bool(by_label or by_field) and all(by_label + by_field)


def _matches(expression: Obj, labels: dict[str, str]) -> bool:
    value, values = labels.get(expression["key"]), expression.get("values") or []
    operator = expression["operator"]
    if operator == "Exists":
        return value is not None
    if operator == "DoesNotExist":
        return value is None
    if operator == "NotIn":
        return value not in values
    if value is None:
        return False
    if operator == "In":
        return value in values
    if not value.lstrip("-").isdigit():
        return False
    return int(value) > int(values[0]) if operator == "Gt" else int(value) < int(values[0])


def _tolerates(spec: Obj, taint: Obj) -> bool:
    for toleration in spec.get("tolerations") or ():
        if toleration.get("effect") not in (None, "", taint.get("effect")):
            continue
        if toleration.get("key") not in (None, "", taint["key"]):
            continue
        exists = toleration.get("operator") == "Exists"
        if exists or (toleration.get("value") or "") == (taint.get("value") or ""):
            return True
    return False
