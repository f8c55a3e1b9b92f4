"""The kubelet's events: one object for what happens again and again, with a count.

See https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

from podlift.local.kinds import EVENT, NAMESPACE
from podlift.local.kubelet.contract import Obj
from podlift.local.store import Store

NORMAL = "Normal"
WARNING = "Warning"

_REPEAT_SECONDS = 10.0


def timestamp() -> str:
    """The time as Kubernetes writes it: UTC, whole seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def field_path(pod: Obj, container: str) -> str:
    """How an event says which container it is about."""
    init = any(one["name"] == container for one in pod["spec"].get("initContainers") or ())
    return f"spec.{'initContainers' if init else 'containers'}{{{container}}}"


class Recorder:
    """Writes the events of one pod."""

    def __init__(self, store: Store, node: str) -> None:
        self._store = store
        self._node = node
        self._known: dict[tuple[str, str, str, str], str] = {}
        self._newest = 0
        self._last: dict[tuple[str, str, str, str], float] = {}

    def repeat(
        self, pod: Obj, type_: str, reason: str, message: str, container: str | None = None
    ) -> None:
        """Record what is found true at every attempt, and count it only now and then."""
        key = (container or "", type_, reason, message)
        now = time.monotonic()
        if now - self._last.get(key, -_REPEAT_SECONDS) >= _REPEAT_SECONDS:
            self._last[key] = now
            self.record(pod, type_, reason, message, container)

    def record(
        self, pod: Obj, type_: str, reason: str, message: str, container: str | None = None
    ) -> None:
        """Say that *reason* happened to the pod (or its container)."""
        path = field_path(pod, container) if container else ""
        key = (path, type_, reason, message)
        namespace = pod["metadata"]["namespace"]
        if self._store.find(NAMESPACE, None, namespace) is None:
            return  # a pod may end after its namespace has gone
        known = self._known.get(key)
        if known and self._store.modify(EVENT, namespace, known, _again):
            return
        event = self._event(pod, type_, reason, message, path)
        self._store.create(EVENT, event)
        self._known[key] = event["metadata"]["name"]

    def _moment(self) -> int:
        """Nanoseconds that never repeat: events are in order by their names."""
        self._newest = max(time.time_ns(), self._newest + 1)
        return self._newest

    def _event(self, pod: Obj, type_: str, reason: str, message: str, path: str) -> Obj:
        meta, now = pod["metadata"], timestamp()
        about = {
            "kind": "Pod",
            "namespace": meta["namespace"],
            "name": meta["name"],
            "uid": meta["uid"],
            "apiVersion": "v1",
            "resourceVersion": meta.get("resourceVersion", ""),
        }
        if path:
            about["fieldPath"] = path
        return {
            "kind": "Event",
            "apiVersion": "v1",
            "metadata": {
                "name": f"{meta['name']}.{self._moment():x}",
                "namespace": meta["namespace"],
            },
            "involvedObject": about,
            "reason": reason,
            "message": message,
            "source": {"component": "kubelet", "host": self._node},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
            "type": type_,
            "eventTime": None,
            "reportingComponent": "kubelet",
            "reportingInstance": self._node,
        }


def _again(event: Obj) -> None:
    event["count"] = event.get("count", 1) + 1
    event["lastTimestamp"] = timestamp()
