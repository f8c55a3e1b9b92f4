"""The scheduler: puts each pod on the one node, as soon as what it asks for is free there.

See https://kubernetes.io/docs/concepts/scheduling-eviction/kube-scheduler/
"""

from __future__ import annotations

from podlift.local.api.pods import schedule, set_condition
from podlift.local.controllers.claims import claims_of
from podlift.local.controllers.fitting import Node, explain, explain_missing, misfits
from podlift.local.controllers.recorder import Recorder
from podlift.local.kinds import NODE, PERSISTENTVOLUMECLAIM, POD, Obj
from podlift.local.store import ChangeType, Event, Store, Subscription

NAME = "default-scheduler"


class Scheduler:
    """Binds pods in the order in which they were created."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._recorder = Recorder(store, NAME, events_v1=True)
        self._waiting: dict[tuple[str, str], Obj] = {}
        self._nodes: dict[str, Node] = {}
        # What to look at next: pods that are new or changed, or all when there is new room.
        self._fresh: set[tuple[str, str]] = set()
        self._room_changed = False

    async def run(self) -> None:
        """Schedule what waits, again whenever a pod, a node or a claim changes."""
        events: Subscription[Event] = self._store.subscribe(POD, NODE, PERSISTENTVOLUMECLAIM)
        for node in self._store.list(NODE):
            self._see(Event(ChangeType.ADDED, NODE, node))
        for pod in self._store.list(POD):
            self._see(Event(ChangeType.ADDED, POD, pod))
        self._schedule()
        while batch := await events.batch():
            for event in batch:
                self._see(event)
            self._schedule()

    def _see(self, event: Event) -> None:
        meta = event.object["metadata"]
        if event.kind is PERSISTENTVOLUMECLAIM:
            self._room_changed |= event.type is ChangeType.ADDED
            return
        if event.kind is NODE:
            if event.type is ChangeType.DELETED:
                self._nodes.pop(meta["name"], None)
            else:
                known = self._nodes.get(meta["name"])
                self._nodes[meta["name"]] = Node.of(event.object, known)
                self._room_changed = True
            return
        key = (meta["namespace"], meta["name"])
        pod = event.object
        gone = event.type is ChangeType.DELETED
        for node in self._nodes.values():
            self._room_changed |= node.see(pod, gone=gone)
        if gone or not _is_waiting(pod):
            self._waiting.pop(key, None)
            return
        before = self._waiting.get(key)
        if before is None or before["spec"] != pod["spec"]:
            self._fresh.add(key)
        self._waiting[key] = pod

    def _schedule(self) -> None:
        keys = set(self._waiting) if self._room_changed else self._fresh & self._waiting.keys()
        self._room_changed, self._fresh = False, set()
        for pod in sorted((self._waiting[key] for key in keys), key=_order):
            self._try(pod)

    def _try(self, pod: Obj) -> None:
        if missing := self._missing_claim(pod):
            self._wait(pod, explain_missing(missing, len(self._nodes)))
            return
        reasons: list[str] = []
        for name, node in sorted(self._nodes.items()):
            reason = misfits(pod, node)
            if not reason:
                self._bind(pod, name, node)
                return
            reasons += reason
        self._wait(pod, explain(reasons, len(self._nodes)))

    def _missing_claim(self, pod: Obj) -> str | None:
        """The first claim that the pod mounts and that is not there."""
        namespace = pod["metadata"]["namespace"]
        for name in claims_of(pod):
            if self._store.find(PERSISTENTVOLUMECLAIM, namespace, name) is None:
                return name
        return None

    def _bind(self, pod: Obj, name: str, node: Node) -> None:
        meta = pod["metadata"]
        del self._waiting[(meta["namespace"], meta["name"])]

        def put(copy: Obj) -> None:
            if _is_waiting(copy):
                schedule(copy, name)

        bound = self._store.modify(POD, meta["namespace"], meta["name"], put, uid=meta["uid"])
        if bound is None or bound["spec"].get("nodeName") != name:
            return
        node.see(bound, gone=False)
        where = f"{meta['namespace']}/{meta['name']}"
        self._recorder.normal(
            bound, "Scheduled", f"Successfully assigned {where} to {name}", action="Binding"
        )

    def _wait(self, pod: Obj, message: str) -> None:
        meta = pod["metadata"]
        condition = {
            "type": "PodScheduled",
            "observedGeneration": meta.get("generation", 1),
            "status": "False",
            "reason": "Unschedulable",
            "message": message,
        }
        present = (pod.get("status") or {}).get("conditions") or ()
        if any(one.get("message") == message for one in present):
            return
        self._store.modify(
            POD,
            meta["namespace"],
            meta["name"],
            lambda copy: set_condition(copy, condition),
            uid=meta["uid"],
        )
        self._recorder.warning(pod, "FailedScheduling", message, action="Scheduling")


def _is_waiting(pod: Obj) -> bool:
    spec = pod["spec"]
    return (
        not spec.get("nodeName")
        and not spec.get("schedulingGates")
        and spec.get("schedulerName", NAME) == NAME
        and not pod["metadata"].get("deletionTimestamp")
        and (pod.get("status") or {}).get("phase") == "Pending"
    )


def _order(pod: Obj) -> tuple[int, str, int]:
    """Priority first, then age."""
    meta = pod["metadata"]
    version = int(meta["resourceVersion"])
    return (-pod["spec"].get("priority", 0), meta["creationTimestamp"], version)
