"""One pod from its binding to its end: the imperative half of the kubelet.

The pod's life (volumes, init containers, containers, restarts) is one task. When something else
decides its end (deletion, deadline, eviction, the cluster stopping), that task is cancelled and the
containers are ended here. What is known goes into the ledger, from which the status follows.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from podlift.local.kubelet.backoff import BackOff
from podlift.local.kubelet.containers import ContainerRun
from podlift.local.kubelet.contract import Obj
from podlift.local.kubelet.crew import LEAST_GRACE_SECONDS, RETRY_SECONDS, Crew
from podlift.local.kubelet.facts import (
    STATUS_UNKNOWN,
    STATUS_UNKNOWN_MESSAGE,
    Terminated,
    Waiting,
)
from podlift.local.kubelet.ledger import Ledger
from podlift.local.kubelet.making import Maker, Means
from podlift.local.kubelet.status import POD_IP, initialized, is_sidecar
from podlift.local.kubelet.volumes import VolumeError
from podlift.local.store import finish_deletion


@dataclass(frozen=True, slots=True)
class Ending:
    """Somebody decided that the pod ends: with what status, and after how much grace.

    ``deleted``: the object goes when the containers have gone. ``vanished``: it has gone already.
    """

    grace_seconds: float
    reason: str = ""
    message: str = ""
    deleted: bool = False
    vanished: bool = False
    condition: Obj | None = None


class PodRunner:
    """Runs one pod. ``run()`` is its task; ``end()`` asks it to end before its time."""

    def __init__(self, means: Means, pod: Obj) -> None:
        self._store = means.store
        self._ledger = Ledger(means.store, means.options.node_name, pod)
        self._maker = Maker(means, pod)
        self._crew = Crew(self._ledger, self._maker, means.processes)
        self._ending: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self._deadline: asyncio.TimerHandle | None = None

    @property
    def pod(self) -> Obj:
        """The pod as it was last written."""
        return self._ledger.pod

    @property
    def runs(self) -> dict[str, ContainerRun]:
        """The latest run of each container that was started."""
        return self._crew.runs

    @property
    def grace_seconds(self) -> float:
        """How long the pod's containers may take to end, by its spec."""
        return self._crew.grace_seconds

    def end(self, ending: Ending) -> None:
        """End the pod; what is being carried out already is only made quicker."""
        if not self._ending.done():
            self._ending.set_result(ending)
        elif ending.grace_seconds < self._ending.result().grace_seconds:
            self._crew.hurry(ending.grace_seconds)

    def delete(self, grace_seconds: float) -> None:
        """The pod is being deleted: end it, then let its object go."""
        self.end(Ending(max(grace_seconds, LEAST_GRACE_SECONDS), deleted=True))

    def keep_deadline(self, pod: Obj) -> None:
        """Heed ``activeDeadlineSeconds``, which may be set or lowered while the pod runs."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        seconds = pod["spec"].get("activeDeadlineSeconds")
        if seconds is None or self._ending.done():
            return
        began = (pod.get("status") or {}).get("startTime")
        if began:
            passed = datetime.now(UTC) - datetime.fromisoformat(began)
            seconds = max(0.0, seconds - passed.total_seconds())
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(seconds, self._exceed_deadline)

    def stop(self, ending: Ending) -> None:
        """The cluster stops: end the pod, or, if it has not begun, leave it for the next start."""
        if self._ledger.begun:
            self.end(ending)
        else:
            self.end(Ending(0.0, vanished=True))

    def vanish(self) -> None:
        """The pod's object has gone: end what still runs."""
        self.end(Ending(LEAST_GRACE_SECONDS, vanished=True))

    async def run(self) -> None:
        """The pod's whole life."""
        self._ledger.publish()
        self.keep_deadline(self.pod)
        life = asyncio.create_task(self._live())
        try:
            waits: list[asyncio.Future[Any]] = [life, self._ending]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            if self._ending.done():
                await _cancelled(life)
                await self._end_by(self._ending.result())
            else:
                await life
        finally:
            if self._deadline is not None:
                self._deadline.cancel()
            await _cancelled(life)
            self._crew.close()

    # The pod's own course

    async def _live(self) -> None:
        await self._mount()
        self._ledger.change(sandbox_ready=True)
        self._ledger.publish()
        self._ledger.change(ip=POD_IP)
        sidecars: list[asyncio.Task[None]] = []
        try:
            if await self._initialize(sidecars):
                await self._run_main()
        finally:
            for task in sidecars:
                await _cancelled(task)
        await self._crew.end_sidecars()
        self._finish()

    async def _mount(self) -> None:
        while True:
            try:
                self._maker.set_up_volumes(self.pod)
            except VolumeError as error:
                self._ledger.warning_again("FailedMount", str(error))
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return

    async def _initialize(self, sidecars: list[asyncio.Task[None]]) -> bool:
        """Run init containers in order; False when one failed for good."""
        policy = self.pod["spec"].get("restartPolicy", "Always")
        for container in self.pod["spec"].get("initContainers") or ():
            name = container["name"]
            if is_sidecar(container):
                await self._crew.start(container)
                self._ledger.publish()
                sidecars.append(asyncio.create_task(self._keep(container, "Always")))
                await self._crew.has_started_up(name)
                continue
            await self._crew.start(container)
            self._ledger.publish()
            await self._keep(container, "OnFailure" if policy == "Always" else policy)
            if not self._ledger.find(name).succeeded:
                return False
        return True

    async def _run_main(self) -> None:
        containers = self.pod["spec"]["containers"]
        for container in containers:
            await self._crew.start(container, until_created=len(containers) == 1)
        self._ledger.publish()
        policy = self.pod["spec"].get("restartPolicy", "Always")
        async with asyncio.TaskGroup() as group:
            for container in containers:
                group.create_task(self._keep(container, policy))

    async def _keep(self, container: Obj, policy: str) -> None:
        """Stay with a container through its restarts until it has ended for good."""
        name = container["name"]
        back_off = BackOff()
        while True:
            if not isinstance(self._ledger.find(name).state, Terminated):
                if name not in self._crew.runs:
                    await self._crew.start(container)  # it could not be created at the first try
                    self._ledger.publish()
                    continue
                await self._crew.wait_for(container)
            state = self._ledger.find(name).state
            assert isinstance(state, Terminated)
            if policy == "Never" or (policy == "OnFailure" and state.exit_code == 0):
                return
            await self._back_off(container, state, back_off)
            await self._crew.start(container)
            self._ledger.publish()

    async def _back_off(self, container: Obj, state: Terminated, back_off: BackOff) -> None:
        name = container["name"]
        seconds = back_off.next()
        if seconds == 0:
            return
        meta = self.pod["metadata"]
        full = f"{meta['name']}_{meta['namespace']}({meta['uid']})"
        message = f"back-off {seconds:g}s restarting failed container={name} pod={full}"
        self._ledger.set(name, state=Waiting("CrashLoopBackOff", message), last=state)
        text = f"Back-off restarting failed container {name} in pod {full}"
        self._ledger.warning("BackOff", text, name)
        self._ledger.publish()
        await asyncio.sleep(seconds)

    # Ending

    def _exceed_deadline(self) -> None:
        message = "Pod was active on the node longer than the specified deadline"
        self._ledger.normal("DeadlineExceeded", message)
        self.end(Ending(self.grace_seconds, "DeadlineExceeded", message))

    async def _end_by(self, ending: Ending) -> None:
        await self._crew.settle()
        begun = self._ledger.begun
        if ending.reason:
            self._ledger.change(reason=ending.reason, message=ending.message, failing=True)
            self._ledger.publish(ending.condition)
        elif ending.deleted:
            for container in list(self._ledger.facts):
                if isinstance(container.state, Waiting) and not container.container_id:
                    self._ledger.set(container.name, state=self._ledger.not_begun)
            self._ledger.publish()
        await self._crew.end_all(ending.grace_seconds)
        if ending.vanished:
            return
        if not begun:
            self._ledger.change(sandbox_ready=False)
            self._ledger.publish()
        self._give_up()
        self._ledger.change(failing=False, ended=True, sandbox_ready=False)
        self._ledger.publish(ending.condition)
        if ending.deleted:
            finish_deletion(self._store, self.pod)

    def _give_up(self) -> None:
        """Containers that were never created are told as lost, as the kubelet does."""
        lost = Terminated(137, STATUS_UNKNOWN, STATUS_UNKNOWN_MESSAGE)
        done = initialized(self.pod, self._ledger.facts)
        for container in list(self._ledger.facts):
            if container.name in self._ledger.facts.main and not done:
                continue
            if isinstance(container.state, Waiting):
                state = container.last or lost
                self._ledger.set(container.name, state=state)

    def _finish(self) -> None:
        """Everything has ended by itself."""
        self._ledger.change(ended=True, sandbox_ready=False)
        self._ledger.publish()


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
