"""PersistentVolumeClaims: a folder of this machine each, bound at once.

See https://kubernetes.io/docs/concepts/storage/persistent-volumes/
"""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from podlift.local.kinds import PERSISTENTVOLUMECLAIM, POD, Obj
from podlift.local.store import ChangeType, Event, Store, Subscription, drop_finalizer

_PROTECTION = "kubernetes.io/pvc-protection"


class ClaimController:
    """Binds claims, protects those in use, and removes the folders of those that are gone."""

    def __init__(self, store: Store, folder: Path) -> None:
        self._store = store
        self._folder = folder

    async def run(self) -> None:
        """Look at claims when they change, and at those in deletion when a pod ends."""
        events: Subscription[Event] = self._store.subscribe(PERSISTENTVOLUMECLAIM, POD)
        for claim in self._store.list(PERSISTENTVOLUMECLAIM):
            self._look(claim)
        while batch := await events.batch():
            for event in batch:
                await self._see(event)

    async def _see(self, event: Event) -> None:
        if event.kind is POD:
            if not _is_using(event.object) or event.type is ChangeType.DELETED:
                self._release(event.object)
        elif event.type is ChangeType.DELETED:
            meta = event.object["metadata"]
            path = self._folder / meta["namespace"] / meta["name"]
            await asyncio.to_thread(shutil.rmtree, path, ignore_errors=True)
        else:
            self._look(event.object)

    def _look(self, claim: Obj) -> None:
        meta = claim["metadata"]
        if meta.get("deletionTimestamp"):
            if not self._users(meta["namespace"], meta["name"]):
                drop_finalizer(self._store, PERSISTENTVOLUMECLAIM, claim, _PROTECTION)
        elif (claim.get("status") or {}).get("phase") != "Bound":
            self._store.modify(
                PERSISTENTVOLUMECLAIM, meta["namespace"], meta["name"], _bind, uid=meta["uid"]
            )

    def _release(self, pod: Obj) -> None:
        namespace = pod["metadata"]["namespace"]
        for name in claims_of(pod):
            claim = self._store.find(PERSISTENTVOLUMECLAIM, namespace, name)
            if claim is not None and claim["metadata"].get("deletionTimestamp"):
                self._look(claim)

    def _users(self, namespace: str, name: str) -> list[Obj]:
        pods = self._store.list(POD, namespace)
        return [pod for pod in pods if name in claims_of(pod) and _is_using(pod)]


def _is_using(pod: Obj) -> bool:
    return (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")


def claims_of(pod: Obj) -> list[str]:
    """The names of the claims that a pod mounts."""
    volumes = pod["spec"].get("volumes") or ()
    claims = (volume.get("persistentVolumeClaim") for volume in volumes)
    return [claim["claimName"] for claim in claims if claim]


def _bind(claim: Obj) -> None:
    spec = claim["spec"]
    spec.setdefault("volumeName", f"pvc-{claim['metadata']['uid']}")
    claim["status"] = {
        "phase": "Bound",
        "accessModes": list(spec.get("accessModes") or ()),
        "capacity": {"storage": spec["resources"]["requests"]["storage"]},
    }
