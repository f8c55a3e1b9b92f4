"""Resource quotas: what a namespace's pods use, and whether one more fits.

See https://kubernetes.io/docs/concepts/policy/resource-quotas/
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from podlift.local import quantities
from podlift.local.controllers.resources import pod_limits, pod_requests
from podlift.local.kinds import POD, RESOURCEQUOTA, Obj
from podlift.local.store import Event, Store, Subscription

Amounts = dict[str, Decimal]


def is_counted(pod: Obj) -> bool:
    """Finished pods use nothing of a quota."""
    return (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")


def usage(pod: Obj) -> Amounts:
    """What one pod takes of each quota resource."""
    amounts: Amounts = {"pods": Decimal(1), "count/pods": Decimal(1)}
    for name, amount in pod_requests(pod["spec"]).items():
        amounts[f"requests.{name}"] = amount
        if name in ("cpu", "memory", "ephemeral-storage"):
            amounts[name] = amount
    for name, amount in pod_limits(pod["spec"]).items():
        amounts[f"limits.{name}"] = amount
    return amounts


def used(hard: Iterable[str], pods: Iterable[Obj]) -> Amounts:
    """What pods take together of the resources that a quota names."""
    total: Amounts = {name: Decimal(0) for name in hard}
    for pod in pods:
        if not is_counted(pod):
            continue
        for name, amount in usage(pod).items():
            if name in total:
                total[name] += amount
    return total


def exceeded(quotas: Iterable[Obj], pods: Iterable[Obj], pod: Obj) -> str:
    """Why *pod* may not join *pods*, in the API server's words; "" where it may."""
    present = list(pods)
    for quota in quotas:
        name = quota["metadata"]["name"]
        hard = {
            key: quantities.parse(str(value))
            for key, value in ((quota.get("spec") or {}).get("hard") or {}).items()
        }
        missing = _missing(hard, pod["spec"])
        if missing:
            return f"failed quota: {name}: must specify {missing}"
        now_used, wanted = used(hard, present), usage(pod)
        over = [
            key
            for key in sorted(hard)
            if wanted.get(key) and now_used[key] + wanted[key] > hard[key]
        ]
        if over:
            asked = ",".join(f"{key}={shown(key, wanted[key])}" for key in over)
            taken = ",".join(f"{key}={shown(key, now_used[key])}" for key in over)
            limit = ",".join(f"{key}={shown(key, hard[key])}" for key in over)
            return f"exceeded quota: {name}, requested: {asked}, used: {taken}, limited: {limit}"
    return ""


def shown(resource: str, amount: Decimal) -> str:
    """An amount as quantities of its resource are written."""
    if "memory" in resource or "storage" in resource:
        return quantities.canonical_bytes(amount)
    return quantities.canonical(amount)


def _missing(hard: Iterable[str], spec: Obj) -> str:
    """The compute resources that a quota counts and a container does not name."""
    absent: dict[str, list[str]] = {}
    for key in sorted(hard):
        part, _, resource = key.rpartition(".")
        if resource not in ("cpu", "memory") or part not in ("", "requests", "limits"):
            continue
        for container in [*(spec.get("initContainers") or ()), *spec["containers"]]:
            given = (container.get("resources") or {}).get(part or "requests") or {}
            if resource not in given:
                absent.setdefault(key, []).append(container["name"])
    return "; ".join(f"{key} for: {','.join(names)}" for key, names in absent.items())


class QuotaController:
    """Keeps the status of resource quotas true."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def run(self) -> None:
        """Recount a namespace whenever its pods or quotas change."""
        events: Subscription[Event] = self._store.subscribe(POD, RESOURCEQUOTA)
        for quota in self._store.list(RESOURCEQUOTA):
            self._recount(quota["metadata"]["namespace"])
        while batch := await events.batch():
            for namespace in {event.object["metadata"]["namespace"] for event in batch}:
                self._recount(namespace)

    def _recount(self, namespace: str) -> None:
        quotas = self._store.list(RESOURCEQUOTA, namespace)
        if not quotas:
            return
        pods = self._store.list(POD, namespace)
        for quota in quotas:
            hard = (quota.get("spec") or {}).get("hard") or {}
            amounts = {key: shown(key, value) for key, value in used(hard, pods).items()}
            status = {"hard": hard, "used": amounts}
            self._store.modify(
                RESOURCEQUOTA,
                namespace,
                quota["metadata"]["name"],
                lambda copy, status=status: copy.update(status=status),  # type: ignore[misc]
            )
