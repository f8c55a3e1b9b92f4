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
from podlift.local.kubelet.executables import CannotStart
from podlift.local.kubelet.facts import (
    STATUS_UNKNOWN,
    STATUS_UNKNOWN_MESSAGE,
    Running,
    Terminated,
    Waiting,
)
from podlift.local.kubelet.hooks import Watcher, pre_stop
from podlift.local.kubelet.launching import CannotCreate, check_image
from podlift.local.kubelet.ledger import Ledger
from podlift.local.kubelet.making import Maker, Means
from podlift.local.kubelet.status import POD_IP, initialized, is_sidecar
from podlift.local.kubelet.volumes import VolumeError
from podlift.local.store import finish_deletion

#: How often what is missing (an object, a volume) is looked for again.
_RETRY_SECONDS = 1.0

#: As the real kubelet's: what is deleted with no grace still gets this long after SIGTERM.
_LEAST_GRACE_SECONDS = 2.0


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
        self.runs: dict[str, ContainerRun] = {}
        self._means = means
        self._ledger = Ledger(means.store, means.options.node_name, pod)
        self._maker = Maker(means, pod)
        self._ending: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self._starting: set[asyncio.Task[None]] = set()
        self._waits: dict[str, asyncio.Task[Terminated]] = {}
        self._watchers: dict[str, Watcher] = {}

    @property
    def pod(self) -> Obj:
        """The pod as it was last written."""
        return self._ledger.pod

    @property
    def grace_seconds(self) -> float:
        """How long the pod's containers may take to end, by its spec."""
        return float(self.pod["spec"].get("terminationGracePeriodSeconds", 30))

    def end(self, ending: Ending) -> None:
        """End the pod; what is being carried out already is only made quicker."""
        if not self._ending.done():
            self._ending.set_result(ending)
        elif ending.grace_seconds < self._ending.result().grace_seconds:
            self._hurry(ending.grace_seconds)

    def delete(self, grace_seconds: float) -> None:
        """The pod is being deleted: end it, then let its object go."""
        self.end(Ending(max(grace_seconds, _LEAST_GRACE_SECONDS), deleted=True))

    def stop(self, ending: Ending) -> None:
        """The cluster stops: end the pod, or, if it has not begun, leave it for the next start."""
        if self._ledger.begun:
            self.end(ending)
        else:
            self.end(Ending(0.0, vanished=True))

    def vanish(self) -> None:
        """The pod's object has gone: end what still runs."""
        self.end(Ending(_LEAST_GRACE_SECONDS, vanished=True))

    async def run(self) -> None:
        """The pod's whole life."""
        self._ledger.publish()
        deadline = self._deadline()
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
            if deadline is not None:
                deadline.cancel()
            await _cancelled(life)
            for watcher in self._watchers.values():
                watcher.stop()

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
        await self._end_sidecars()
        self._finish()

    async def _mount(self) -> None:
        while True:
            try:
                self._maker.set_up_volumes(self.pod)
            except VolumeError as error:
                self._ledger.warning_again("FailedMount", str(error))
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                return

    async def _initialize(self, sidecars: list[asyncio.Task[None]]) -> bool:
        """Run init containers in order; False when one failed for good."""
        policy = self.pod["spec"].get("restartPolicy", "Always")
        for container in self.pod["spec"].get("initContainers") or ():
            name = container["name"]
            if is_sidecar(container):
                await self._start(container)
                self._ledger.publish()
                sidecars.append(asyncio.create_task(self._keep(container, "Always")))
                if name in self._watchers:
                    await self._watchers[name].started.wait()
                continue
            await self._start(container)
            self._ledger.publish()
            await self._keep(container, "OnFailure" if policy == "Always" else policy)
            if not self._ledger.find(name).succeeded:
                return False
        return True

    async def _run_main(self) -> None:
        containers = self.pod["spec"]["containers"]
        for container in containers:
            await self._start(container, until_created=len(containers) == 1)
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
                if name not in self.runs:
                    await self._start(container)  # it could not be created at the first try
                    self._ledger.publish()
                    continue
                await self._wait_for(container)
            state = self._ledger.find(name).state
            assert isinstance(state, Terminated)
            if policy == "Never" or (policy == "OnFailure" and state.exit_code == 0):
                return
            await self._back_off(container, state, back_off)
            await self._start(container)
            self._ledger.publish()

    async def _wait_for(self, container: Obj) -> None:
        name = container["name"]
        terminated = await asyncio.shield(self._waits[name])
        self._stop_watching(name)
        if not isinstance(self._ledger.find(name).state, Terminated):
            self._ledger.set(name, state=terminated, started=False, ready=False)
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

    # Starting

    async def _start(self, container: Obj, *, until_created: bool = True) -> None:
        """Start a container; the facts say what came of it.

        Tries again until it can be created at all, unless others have to be started meanwhile.
        """
        first = True
        while True:
            try:
                check_image(container)
                self._note_image(container, again=not first)
                run = self._create(container)
            except CannotCreate as error:
                first = False
                self._cannot_create(container["name"], error)
                self._ledger.publish()
                if not until_created:
                    return
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                break
        # Not to be interrupted half-way: a process that nobody knows of would go on.
        start = asyncio.create_task(self._start_run(container, run))
        self._starting.add(start)
        start.add_done_callback(self._starting.discard)
        await asyncio.shield(start)

    def _create(self, container: Obj) -> ContainerRun:
        name = container["name"]
        facts = self._ledger.find(name)
        number = facts.restarts + 1 if facts.container_id else 0
        run = self._maker.make(self.pod, container, number)
        last = facts.state if isinstance(facts.state, Terminated) else facts.last
        container_id = f"podlift://{run.container_id}"
        self._ledger.set(name, last=last, restarts=number, container_id=container_id)
        return run

    async def _start_run(self, container: Obj, run: ContainerRun) -> None:
        name = container["name"]
        self._ledger.normal("Created", "Container created", name)
        self.runs[name] = run
        try:
            await run.start()
        except CannotStart as error:
            self._ledger.warning("Failed", f"Error: {error}", name)
            self._ledger.set(name, state=run.not_started(str(error)))
            return
        policy = container.get("terminationMessagePolicy", "File")
        self._waits[name] = asyncio.create_task(run.wait(policy))
        self._ledger.normal("Started", "Container started", name)
        assert run.started_at is not None
        self._ledger.set(
            name,
            state=Running(run.started_at),
            started="startupProbe" not in container,
            ready="readinessProbe" not in container,
        )
        self._watch(container, run)

    def _note_image(self, container: Obj, *, again: bool) -> None:
        """Say in the place of a pull that there is none."""
        message = (
            f'Container image "{container.get("image", "")}" is not used: '
            "the local cluster runs programs of this machine"
        )
        record = self._ledger.normal_again if again else self._ledger.normal
        record("ImageNotPulled", message, container["name"])

    def _cannot_create(self, name: str, error: CannotCreate) -> None:
        text = error.reason if error.event else error.message
        if error.event:
            self._ledger.warning_again(error.event, error.message, name)
        self._ledger.warning_again("Failed", f"Error: {text}", name)
        self._ledger.set(name, state=Waiting(error.reason, error.message))

    def _watch(self, container: Obj, run: ContainerRun) -> None:
        """Begin the container's probes and run its postStart hook."""
        name = container["name"]

        def heard(*, started: bool | None = None, ready: bool | None = None) -> None:
            if started is not None:
                self._ledger.set(name, started=started)
            if ready is not None:
                self._ledger.set(name, ready=ready)
            self._ledger.publish()

        def unwell(reason: str, message: str) -> None:
            self._ledger.warning(reason, message, name)

        async def restart(why: str) -> None:
            self._ledger.normal("Killing", why, name)
            await self._terminate(container, run, self.grace_seconds)

        watcher = Watcher(container, run, self._means.processes, heard, unwell, restart)
        self._watchers[name] = watcher
        watcher.start()

    def _stop_watching(self, name: str) -> None:
        watcher = self._watchers.pop(name, None)
        if watcher is not None:
            watcher.stop()

    # Ending

    def _deadline(self) -> asyncio.TimerHandle | None:
        seconds = self.pod["spec"].get("activeDeadlineSeconds")
        if seconds is None:
            return None
        began = (self.pod.get("status") or {}).get("startTime")
        if began:
            passed = datetime.now(UTC) - datetime.fromisoformat(began)
            seconds = max(0.0, seconds - passed.total_seconds())
        return asyncio.get_running_loop().call_later(seconds, self._exceed_deadline)

    def _exceed_deadline(self) -> None:
        message = "Pod was active on the node longer than the specified deadline"
        self._ledger.normal("DeadlineExceeded", message)
        self.end(Ending(self.grace_seconds, "DeadlineExceeded", message))

    async def _end_by(self, ending: Ending) -> None:
        if self._starting:
            await asyncio.wait(self._starting)
        begun = self._ledger.begun
        if ending.reason:
            self._ledger.change(reason=ending.reason, message=ending.message, failing=True)
            self._ledger.publish(ending.condition)
        elif ending.deleted:
            for container in list(self._ledger.facts):
                if isinstance(container.state, Waiting) and not container.container_id:
                    self._ledger.set(container.name, state=self._ledger.not_begun)
            self._ledger.publish()
        await self._end_containers(ending.grace_seconds)
        if ending.vanished:
            return
        if not begun:
            self._ledger.change(sandbox_ready=False)
            self._ledger.publish()
        self._give_up()
        self._ledger.change(failing=False, ended=True, sandbox_ready=False)
        self._ledger.publish(ending.condition)
        if ending.deleted:
            finish_deletion(self._means.store, self.pod)

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

    async def _end_containers(self, grace_seconds: float) -> None:
        """End main containers together, then sidecars in reverse, within the grace period."""
        loop = asyncio.get_running_loop()
        until = loop.time() + grace_seconds
        init = self.pod["spec"].get("initContainers") or ()
        sidecars = [container for container in init if is_sidecar(container)]
        others = [*self.pod["spec"]["containers"], *(c for c in init if not is_sidecar(c))]
        await asyncio.gather(*(self._stop(container, grace_seconds) for container in others))
        for container in reversed(sidecars):
            await self._stop(container, max(0.0, until - loop.time()))

    async def _end_sidecars(self) -> None:
        grace = self.grace_seconds
        init = self.pod["spec"].get("initContainers") or ()
        sidecars = [container for container in init if is_sidecar(container)]
        for container in reversed(sidecars):
            await self._stop(container, grace)
        if sidecars:
            self._ledger.change(sandbox_ready=False)
            self._ledger.publish()

    async def _stop(self, container: Obj, grace_seconds: float) -> None:
        name = container["name"]
        run = self.runs.get(name)
        self._stop_watching(name)
        if run is None or name not in self._waits:
            return
        if run.running:
            self._ledger.normal("Killing", f"Stopping container {name}", name)
            await self._terminate(container, run, grace_seconds)
        terminated = await self._waits[name]
        if isinstance(self._ledger.find(name).state, Running):
            self._ledger.set(name, state=terminated, started=False, ready=False)

    def _hurry(self, grace_seconds: float) -> None:
        """A second deletion grants less time than the first."""
        loop = asyncio.get_running_loop()
        for run in self.runs.values():
            if run.running:
                loop.call_later(max(grace_seconds, 0.0), run.kill)

    async def _terminate(self, container: Obj, run: ContainerRun, grace_seconds: float) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + grace_seconds
        wrong = await pre_stop(container, run, self._means.processes, grace_seconds)
        if wrong is not None:
            name = container["name"]
            self._ledger.warning("FailedPreStopHook", f"PreStopHook failed: {wrong}", name)
        await run.terminate(max(until - loop.time(), min(grace_seconds, _LEAST_GRACE_SECONDS)))

    def _finish(self) -> None:
        """Everything has ended by itself."""
        self._ledger.change(ended=True, sandbox_ready=False)
        self._ledger.publish()


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
