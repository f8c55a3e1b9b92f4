"""One run, from the first queued task to the judge."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from tests.chaos.access import Cluster, Refused, cluster_of
from tests.chaos.crew import Crew
from tests.chaos.desk import Desk, Run
from tests.chaos.faults import Faults
from tests.chaos.judging import Evidence, judge
from tests.chaos.observing import Observer, Seen, is_over
from tests.chaos.plans import plans_for, strikes_for
from tests.chaos.pods import template
from tests.chaos.proxy import Proxy
from tests.chaos.report import Result
from tests.chaos.rows import Rows
from tests.chaos.sabotage import Saboteur

logger = logging.getLogger(__name__)

SCHEDULERS = 2


@dataclass(frozen=True)
class Scene:
    """What all runs share: a cluster, a database, a folder, an Airflow configuration."""

    kubeconfig: Path
    database: str
    environment: Mapping[str, str]
    folder: Path
    mount_desk: bool
    """Whether pods see this machine's folders only as volumes."""
    patience: float
    """Seconds that a run may take until every task has ended."""
    at_once: int
    """How many tasks may be queued or running at the same time: the slots of Airflow's pool."""
    healing: float
    """Seconds that the executor gives a pod whose Secret is missing."""
    settling: float
    """Seconds that it may then take until nothing is left: the pods' time to live."""


class Stage:
    """The parts of one run, connected."""

    def __init__(self, scene: Scene, seed: int, tasks: int, cluster: Cluster) -> None:
        self.scene = scene
        self.seed = seed
        self.cluster = cluster
        self.namespace = f"chaos-{seed}-{secrets.token_hex(3)}"
        self.folder = scene.folder / self.namespace
        self.folder.mkdir()
        self.plans = plans_for(seed, tasks)
        self.faults = Faults(seed)
        self.rows = Rows(scene.database, self.namespace)
        self.desk = Desk(self.folder / "desk", self.rows, self.plans, self._began)
        self.observer = Observer(cluster, self.namespace, self._pod_changed, self._pod_over)
        self.saboteur = Saboteur(cluster, self.namespace, self.plans, self.rows, seed)
        self.proxy = Proxy(cluster, self.faults, self.folder)
        self.crew = Crew(self.folder / "schedulers", self._environment(), SCHEDULERS)
        self.ran_together: list[str] = []
        self._checks: set[asyncio.Task[None]] = set()

    def _environment(self) -> dict[str, str]:
        options = {
            "namespace": self.namespace,
            "in_cluster": "False",
            "config_file": str(self.proxy.kubeconfig),
            "pod_template_file": str(self.folder / "template.yaml"),
            "request_timeout": "3",
            "pending_failure_timeout": str(self.scene.healing),
            "shutdown_timeout": "2",
        }
        mine = {f"AIRFLOW__PODLIFT__{name.upper()}": text for name, text in options.items()}
        return {**self.scene.environment, **mine}

    def _began(self, run: Run, others: list[Run]) -> None:
        seen = self.observer.pods.get(run.pod_uid)
        if seen is not None:
            self.saboteur.task_began(run.index, seen.name)
        for other in others:
            task = asyncio.create_task(self._compare(run, other))
            self._checks.add(task)
            task.add_done_callback(self._checks.discard)

    async def _compare(self, run: Run, other: Run) -> None:
        """Ask the server whether the other pod still runs, now that this one has begun."""
        seen = self.observer.pods.get(other.pod_uid)
        if seen is None:
            return
        try:
            pod = await self.cluster.request("GET", f"{self._pods}/{seen.name}")
        except Refused:
            return  # it is gone
        if pod["metadata"]["uid"] == other.pod_uid and not is_over(pod):
            self.ran_together.append(
                f"Task {run.index} began in pod {run.pod_uid} while it ran in {seen.name}."
            )

    def _pod_changed(self, kind: str, pod: dict[str, Any]) -> None:
        self.saboteur.pod_changed(kind, pod)

    def _pod_over(self, seen: Seen) -> None:
        self.desk.pod_ended(seen.uid, seen.index, "its pod ended")

    @property
    def _pods(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/pods"

    async def prepare(self, stack: AsyncExitStack) -> None:
        """Everything up to the first scheduler."""
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}}
        await self.cluster.request("POST", "/api/v1/namespaces", namespace)
        stack.push_async_callback(self._remove_namespace)
        stack.callback(self.rows.close)
        await self._wait_for_account()
        pod = template(self.folder / "desk", mount=self.scene.mount_desk)
        (self.folder / "template.yaml").write_text(yaml.safe_dump(pod))
        await asyncio.to_thread(self.rows.fill, self.plans, self.scene.at_once)
        await stack.enter_async_context(self.desk)
        await self.proxy.start()
        stack.push_async_callback(self.proxy.stop)
        stack.push_async_callback(self.saboteur.stop)
        watching = asyncio.create_task(self.observer.run())
        stack.push_async_callback(_cancel, watching)

    async def _wait_for_account(self) -> None:
        path = f"/api/v1/namespaces/{self.namespace}/serviceaccounts/default"
        async with asyncio.timeout(30):
            while True:
                with suppress(Refused):
                    await self.cluster.request("GET", path)
                    return
                await asyncio.sleep(0.05)

    async def _remove_namespace(self) -> None:
        await self.cluster.request("DELETE", f"{self._pods}?gracePeriodSeconds=0")
        await self.cluster.request("DELETE", f"/api/v1/namespaces/{self.namespace}")

    async def play(self) -> None:
        """The chaos itself, until every task has ended or patience has; then let it settle."""
        await self.crew.start()
        bad_things = [
            asyncio.create_task(self._weather()),
            *(asyncio.create_task(self._strike(slot)) for slot in range(SCHEDULERS)),
        ]
        try:
            await self._until(self._all_ended, self.scene.patience)
        finally:
            for task in bad_things:
                await _cancel(task)
        self.faults.clear_up()
        await self._until(self._settled, self.scene.settling)
        self.crew.look_after()

    async def _weather(self) -> None:
        while True:
            seconds = self.faults.change_weather()
            if self.faults.weather.partition:
                self.proxy.cut_all()
            await asyncio.sleep(seconds)

    async def _strike(self, slot: int) -> None:
        for strike in strikes_for(self.seed, SCHEDULERS):
            if strike.slot == slot:
                while not self.crew.is_at_work(slot):  # noqa: ASYNC110  a file tells
                    await asyncio.sleep(0.5)
                await asyncio.sleep(strike.after)
                await self.crew.strike(strike)

    async def _all_ended(self) -> bool:
        self.crew.look_after()
        left = await asyncio.to_thread(self.rows.unfinished)
        logger.info("%s: %d tasks to go, weather %s", self.seed, left, self.faults.weather.name)
        return left == 0

    async def _settled(self) -> bool:
        return not self.observer.left() and self.crew.at_rest()

    async def _until(self, condition: Any, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if await condition():
                return
            await asyncio.sleep(1.0)

    def write_journals(self) -> None:
        """What the desk and the observer saw, for ``--keep``."""
        (self.folder / "desk.txt").write_text("\n".join(self.desk.journal))
        (self.folder / "pods.txt").write_text("\n".join(self.observer.journal))

    def evidence(self) -> Evidence:
        """What was seen, for the judge."""
        return Evidence(
            plans=self.plans,
            ends=self.rows.ends(),
            lives=self.crew.lives(),
            overs=self.observer.overs(),
            ran_together=self.ran_together,
            lived_together=self.observer.together,
            pods_left=self.observer.left(),
            statuses=self.crew.last_statuses(),
            failures=[
                *self.crew.failures,
                *self.observer.problems,
                *self.saboteur.problems,
            ],
        )


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def run(scene: Scene, seed: int, tasks: int) -> Result:
    """Play one run and judge it."""
    began = time.monotonic()
    async with AsyncExitStack() as stack:
        cluster = await stack.enter_async_context(cluster_of(scene.kubeconfig))
        stage = Stage(scene, seed, tasks, cluster)
        await stage.prepare(stack)
        try:
            await stage.play()
            evidence = stage.evidence()
        finally:
            await stage.crew.stop()
            stage.write_journals()
        late = [each for each in stage.crew.failures if each not in evidence.failures]
        seconds = time.monotonic() - began
        slowest = [
            line["seconds"]
            for life in stage.crew.lives()
            for line in life
            if line["what"] == "slow heartbeat"
        ]
        violations = judge(evidence)
        if late:
            violations += judge(Evidence([], [], [], failures=late))
        return Result(
            seed=seed,
            seconds=seconds,
            plans=stage.plans,
            ends=evidence.ends,
            violations=violations,
            faults=stage.faults.counts,
            partitions=stage.faults.partitions,
            mishaps=stage.saboteur.done,
            blows=stage.crew.blows,
            pods=len(stage.observer.pods),
            requests=Counter(stage.proxy.requests),
            slowest_heartbeat=max(slowest, default=0.0),
        )
