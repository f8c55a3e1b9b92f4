"""An independent look at the pods: a watch of its own, straight at the server.

The server's order of events is the truth about which pods lived at the same time; no clock is
compared with another.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from tests.chaos.access import Cluster

Object = dict[str, Any]


@dataclass
class Seen:
    """A pod that was seen."""

    uid: str
    name: str
    index: int
    ti_id: str
    execution: str
    gone: bool = False
    over: float | None = None
    """Since when, in seconds since the epoch, nothing of its task's container runs any more, as far
    as the server knows."""


@dataclass
class Observer:
    """Follows the namespace's pods. ``on_pod`` hears every change; ``on_over`` every pod's end."""

    cluster: Cluster
    namespace: str
    on_pod: Callable[[str, Object], None]
    on_over: Callable[[Seen], None]
    pods: dict[str, Seen] = field(default_factory=dict)
    together: list[str] = field(default_factory=list)
    """Moments at which one task instance had two living pods, in words."""
    problems: list[str] = field(default_factory=list)
    journal: list[str] = field(default_factory=list)
    """Every change of a pod, for whoever looks for a mistake."""

    async def run(self) -> None:
        """Watch until cancelled."""
        path = f"/api/v1/namespaces/{self.namespace}/pods"
        listing = await self.cluster.request("GET", path)
        version = listing["metadata"]["resourceVersion"]
        while True:
            query = f"?watch=true&allowWatchBookmarks=true&resourceVersion={version}"
            try:
                async with self.cluster.session.get(
                    self.cluster.url + path + query,
                    headers=self.cluster.headers,
                    ssl=self.cluster.tls,
                ) as answer:
                    rest = b""
                    async for piece in answer.content.iter_any():
                        *lines, rest = (rest + piece).split(b"\n")
                        for line in lines:
                            version = self._take(json.loads(line))
            except aiohttp.ClientError:
                await asyncio.sleep(0.1)

    def _take(self, event: Object) -> str:
        pod = event["object"]
        if event["type"] == "ERROR":
            self.problems.append(f"The observer's own watch broke: {pod.get('message')}")
            raise RuntimeError(self.problems[-1])
        if event["type"] != "BOOKMARK":
            self._see(event["type"], pod)
            self.on_pod(event["type"], pod)
        version: str = pod["metadata"]["resourceVersion"]
        return version

    def _see(self, kind: str, pod: Object) -> None:
        metadata = pod["metadata"]
        self.journal.append(_line(kind, pod))
        seen = self.pods.get(metadata["uid"])
        if seen is None:
            notes = metadata.get("annotations", {})
            seen = Seen(
                uid=metadata["uid"],
                name=metadata["name"],
                index=int(notes.get("map_index", -1)),
                ti_id=notes.get("podlift.dev/ti-id", ""),
                execution=notes.get("podlift.dev/execution", ""),
            )
            self._compare(seen)
            self.pods[seen.uid] = seen
        seen.gone = kind == "DELETED"
        if seen.over is None and (seen.gone or is_over(pod)):
            seen.over = time.time()
            self.on_over(seen)

    def _compare(self, new: Seen) -> None:
        for old in self.pods.values():
            if old.ti_id == new.ti_id and old.over is None:
                self.together.append(
                    f"Task {new.index}: pod {new.name} was created while {old.name} lived."
                )

    def overs(self) -> dict[int, float]:
        """For each task when the last of its pods was over, in seconds since the epoch."""
        found: dict[int, float] = {}
        for seen in self.pods.values():
            # What still runs will be over later than any moment that anybody asks about.
            over = math.inf if seen.over is None else seen.over
            found[seen.index] = max(found.get(seen.index, 0.0), over)
        return found

    def left(self) -> list[str]:
        """Names of the pods that are still there."""
        return sorted(seen.name for seen in self.pods.values() if not seen.gone)


def _line(kind: str, pod: Object) -> str:
    metadata, status = pod["metadata"], pod.get("status", {})
    notes = metadata.get("annotations", {})
    states = [next(iter(each["state"]), "") for each in status.get("containerStatuses", ())]
    facts = (
        f"{time.time():.3f}",
        kind,
        notes.get("map_index"),
        metadata["name"],
        metadata["uid"],
        status.get("phase"),
        status.get("reason", ""),
        *states,
        "deleting" if "deletionTimestamp" in metadata else "",
        notes.get("podlift.dev/executor"),
    )
    return " ".join(str(fact) for fact in facts if fact != "")


def is_over(pod: Object) -> bool:
    """Whether nothing of the pod's task runs, or will."""
    status = pod.get("status", {})
    if status.get("phase") in ("Succeeded", "Failed"):
        return True
    for container in status.get("containerStatuses", ()):
        if container["name"] == "base" and "terminated" in container.get("state", {}):
            return True
    return False
