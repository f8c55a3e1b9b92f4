"""Namespaces: what each one has from the start, and how it goes away with all it holds.

See https://kubernetes.io/docs/concepts/overview/working-with-objects/namespaces/
"""

from __future__ import annotations

from podlift.local.api.deleting import pod_grace
from podlift.local.kinds import CONFIGMAP, KINDS, NAMESPACE, POD, SERVICEACCOUNT, Kind, Obj
from podlift.local.store import Event, Store, Subscription, begin_deletion

#: Namespaces that every cluster has.
FIRST = ("default", "kube-node-lease", "kube-public", "kube-system")

ROOT_CA = "kube-root-ca.crt"


def make_namespace(store: Store, name: str) -> None:
    """Make a namespace that should be there, unless it is."""
    if store.find(NAMESPACE, None, name) is None:
        store.create(
            NAMESPACE,
            {
                "metadata": {"name": name},
                "spec": {"finalizers": ["kubernetes"]},
                "status": {"phase": "Active"},
            },
        )


def furnish(store: Store, namespace: str, ca_certificate: str) -> None:
    """Give a namespace its default service account and the authority's certificate."""
    if store.find(SERVICEACCOUNT, namespace, "default") is None:
        store.create(SERVICEACCOUNT, {"metadata": {"name": "default", "namespace": namespace}})
    data = {"ca.crt": ca_certificate}
    found = store.find(CONFIGMAP, namespace, ROOT_CA)
    if found is None:
        store.create(
            CONFIGMAP, {"metadata": {"name": ROOT_CA, "namespace": namespace}, "data": data}
        )
    elif found.get("data") != data:
        store.modify(CONFIGMAP, namespace, ROOT_CA, lambda copy: copy.update(data=data))


class NamespaceController:
    """Furnishes new namespaces and empties those that are going away."""

    def __init__(self, store: Store, ca_certificate: str) -> None:
        self._store = store
        self._ca_certificate = ca_certificate
        self._held = {kind for kind in KINDS if kind.namespaced}

    async def run(self) -> None:
        """Look at a namespace whenever it, or something in it, changes."""
        kinds: list[Kind] = [NAMESPACE, SERVICEACCOUNT, *(self._held - {SERVICEACCOUNT})]
        events: Subscription[Event] = self._store.subscribe(*kinds)
        for namespace in self._store.list(NAMESPACE):
            self._look(namespace["metadata"]["name"])
        while batch := await events.batch():
            names = {
                event.object["metadata"]["name" if event.kind is NAMESPACE else "namespace"]
                for event in batch
                if event.kind in (NAMESPACE, SERVICEACCOUNT) or event.type == "DELETED"
            }
            for name in names:
                self._look(name)

    def _look(self, name: str) -> None:
        namespace = self._store.find(NAMESPACE, None, name)
        if namespace is None:
            return
        if namespace["metadata"].get("deletionTimestamp"):
            self._empty(namespace)
        else:
            furnish(self._store, name, self._ca_certificate)

    def _empty(self, namespace: Obj) -> None:
        """Delete what is left; with nothing left, let the namespace go."""
        name = namespace["metadata"]["name"]
        left = 0
        for kind in self._held:
            for obj in self._store.list(kind, name):
                if obj["metadata"].get("deletionTimestamp") is None:
                    grace = pod_grace(obj, None) if kind is POD else 0
                    begin_deletion(self._store, kind, obj, grace)
                left += self._store.find(kind, name, obj["metadata"]["name"]) is not None
        if left:
            return
        self._store.modify(NAMESPACE, None, name, lambda copy: copy["spec"].pop("finalizers", None))
        now_free = self._store.find(NAMESPACE, None, name)
        if now_free and not now_free["metadata"].get("finalizers"):
            self._store.remove(NAMESPACE, None, name)
