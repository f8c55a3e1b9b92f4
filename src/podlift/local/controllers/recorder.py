"""Events about objects, as ``kubectl describe`` shows them, and how they go away again.

See https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

from podlift.local.kinds import EVENT, Obj
from podlift.local.store import Store, now

#: Events are forgotten after an hour, as by default in a real cluster.
TTL_SECONDS = 3600.0

#: And the oldest go first when there are more than this.
MOST_EVENTS = 5000

_SWEEP_SECONDS = 30.0


class Recorder:
    """Writes events in the name of one component."""

    def __init__(self, store: Store, component: str, *, events_v1: bool = False) -> None:
        """*events_v1*: leave the old timestamps empty, as the newer events API does."""
        self._store = store
        self._component = component
        self._events_v1 = events_v1

    def normal(self, about: Obj, reason: str, message: str, *, action: str = "") -> None:
        """Record something that was to be expected."""
        self._record(about, "Normal", reason, message, action)

    def warning(self, about: Obj, reason: str, message: str, *, action: str = "") -> None:
        """Record something that somebody should look at."""
        self._record(about, "Warning", reason, message, action)

    def _record(self, about: Obj, type_: str, reason: str, message: str, action: str) -> None:
        meta = about["metadata"]
        namespace = meta.get("namespace") or "default"
        event: Obj = {
            "metadata": {"name": f"{meta['name']}.{time.time_ns():x}", "namespace": namespace},
            "involvedObject": {
                "kind": about["kind"],
                "namespace": namespace,
                "name": meta["name"],
                "uid": meta["uid"],
                "apiVersion": about["apiVersion"],
                "resourceVersion": meta["resourceVersion"],
            },
            "reason": reason,
            "message": message,
        }
        event |= self._modern(type_, action) if self._events_v1 else self._classic(type_)
        self._store.create(EVENT, event)

    def _modern(self, type_: str, action: str) -> Obj:
        moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return {
            "source": {},
            "firstTimestamp": None,
            "lastTimestamp": None,
            "type": type_,
            "eventTime": moment,
            "action": action,
            "reportingComponent": self._component,
            "reportingInstance": f"{self._component}-local",
        }

    def _classic(self, type_: str) -> Obj:
        moment = now()
        return {
            "source": {"component": self._component},
            "firstTimestamp": moment,
            "lastTimestamp": moment,
            "count": 1,
            "type": type_,
            "eventTime": None,
            "reportingComponent": self._component,
            "reportingInstance": "",
        }


class EventSweeper:
    """Removes events that are old or too many."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def run(self) -> None:
        """Sweep now and then until cancelled."""
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            self.sweep(time.time())

    def sweep(self, moment: float) -> None:
        """Remove what is older than the TTL at *moment*, and the oldest beyond the bound."""
        events = sorted(self._store.list(EVENT), key=_last_seen)
        surplus = max(0, len(events) - MOST_EVENTS)
        for index, event in enumerate(events):
            if index < surplus or moment - _last_seen(event) > TTL_SECONDS:
                meta = event["metadata"]
                self._store.remove(EVENT, meta["namespace"], meta["name"], uid=meta["uid"])


def _last_seen(event: Obj) -> float:
    text = (
        event.get("lastTimestamp")
        or event.get("eventTime")
        or event["metadata"]["creationTimestamp"]
    )
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
