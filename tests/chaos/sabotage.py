"""What others do to pods: people who delete them, nodes that refuse or lose them, evictions.

Everything goes straight to the server, not through the proxy.
"""

from __future__ import annotations

import asyncio
import base64
import random
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp
from tests.chaos.access import Cluster, Refused
from tests.chaos.plans import GATED, MIDWAY, Mishap, Plan
from tests.chaos.pods import SECRET
from tests.chaos.rows import Rows

Object = dict[str, Any]
_HELD_SECONDS = 10.0
"""A gate opens after this time in any case: what was done may have had no effect on the pod."""
_GONE_OR_CHANGED = (404, 409)


@dataclass
class Saboteur:
    """Carries out the mishaps of the plans, once for each pod, as often as the plan says."""

    cluster: Cluster
    namespace: str
    plans: list[Plan]
    rows: Rows
    seed: int
    done: Counter[Mishap] = field(default_factory=Counter)
    hits: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._chance = random.Random(f"sabotage {self.seed}")
        self._touched: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._deeds: dict[Mishap, Callable[[Plan, str], Awaitable[None]]] = {
            Mishap.DELETED_PENDING: self._delete,
            Mishap.REFUSED_BY_NODE: self._refuse,
            Mishap.STUCK: self._make_stuck,
            Mishap.SECRET_LATE: self._give_secret,
            Mishap.EVICTED: self._evict,
            Mishap.PREEMPTED: self._preempt,
            Mishap.DELETED_RUNNING: self._delete,
            Mishap.NODE_LOST: self._lose_node,
        }

    async def stop(self) -> None:
        """Do nothing more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def pod_changed(self, kind: str, pod: Object) -> None:
        """A pod was seen: those that pend until somebody does something get it done."""
        metadata = pod["metadata"]
        index = int(metadata.get("annotations", {}).get("map_index", -1))
        if kind == "DELETED" or index < 0 or metadata["uid"] in self._touched:
            return
        plan = self.plans[index]
        if plan.mishap not in GATED and plan.mishap is not Mishap.SECRET_LATE:
            return
        self._touched.add(metadata["uid"])
        if plan.mishap in GATED and self.hits[index] >= plan.times:
            self._soon(self._open_gate, plan, metadata["name"])
        else:
            self._hit(plan, metadata["name"])
            if plan.mishap in GATED:
                self._soon(self._open_gate, plan, metadata["name"], _HELD_SECONDS)

    def task_began(self, index: int, pod_name: str) -> None:
        """A task runs: those that are to be disturbed are."""
        plan = self.plans[index]
        if plan.mishap in MIDWAY and self.hits[index] < plan.times:
            self._hit(plan, pod_name)

    def _hit(self, plan: Plan, name: str) -> None:
        self.hits[plan.index] += 1
        self._soon(self._deeds[plan.mishap], plan, name)

    def _soon(
        self,
        deed: Callable[[Plan, str], Awaitable[None]],
        plan: Plan,
        name: str,
        wait: float | None = None,
    ) -> None:
        wait = self._chance.uniform(0.1, 0.8) if wait is None else wait
        task = asyncio.create_task(self._later(deed, plan, name, wait))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _later(
        self, deed: Callable[[Plan, str], Awaitable[None]], plan: Plan, name: str, wait: float
    ) -> None:
        await asyncio.sleep(wait)
        try:
            await deed(plan, name)
        except Refused as refusal:
            # The pod may have ended, or been replaced, in the meantime.
            if refusal.status not in _GONE_OR_CHANGED:
                self.problems.append(f"{plan.mishap.name} of {name}: {refusal}")
            return
        except (aiohttp.ClientError, OSError) as error:
            self.problems.append(f"{plan.mishap.name} of {name}: {error}")
            return
        if deed != self._open_gate:
            self.done[plan.mishap] += 1

    def _path(self, name: str, more: str = "") -> str:
        return f"/api/v1/namespaces/{self.namespace}/pods/{name}{more}"

    async def _open_gate(self, plan: Plan, name: str) -> None:
        await self.cluster.merge(self._path(name), {"spec": {"schedulingGates": []}})

    async def _delete(self, plan: Plan, name: str) -> None:
        await self.cluster.request("DELETE", self._path(name))

    async def _refuse(self, plan: Plan, name: str) -> None:
        status = {
            "phase": "Failed",
            "reason": "OutOfcpu",
            "message": "Pod was rejected: Node didn't have enough resource: cpu",
        }
        await self.cluster.merge(self._path(name, "/status"), {"status": status})

    async def _make_stuck(self, plan: Plan, name: str) -> None:
        await asyncio.to_thread(self.rows.age_queued, plan.index)

    async def _give_secret(self, plan: Plan, name: str) -> None:
        await asyncio.sleep(1.0)
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": SECRET.format(index=plan.index)},
            "data": {"x": base64.b64encode(b"y").decode()},
        }
        path = f"/api/v1/namespaces/{self.namespace}/secrets"
        await self.cluster.request("POST", path, secret)

    async def _evict(self, plan: Plan, name: str) -> None:
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
        await self.cluster.request("POST", self._path(name, "/eviction"), eviction)

    async def _preempt(self, plan: Plan, name: str) -> None:
        await self._disrupt(name, "PreemptionByScheduler", "default-scheduler: preempting")
        await self._delete(plan, name)

    async def _lose_node(self, plan: Plan, name: str) -> None:
        await self._disrupt(name, "DeletionByPodGC", "PodGC: node no longer exists", "Failed")
        await self.cluster.request("DELETE", self._path(name, "?gracePeriodSeconds=0"))

    async def _disrupt(self, name: str, reason: str, message: str, phase: str = "") -> None:
        pod = await self.cluster.request("GET", self._path(name))
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": reason,
            "message": message,
            "lastTransitionTime": now,
        }
        status: Object = {"conditions": [*pod["status"].get("conditions", ()), condition]}
        if phase:
            status["phase"] = phase
        await self.cluster.merge(self._path(name, "/status"), {"status": status})
