"""The containers of one pod that have been started: watched while they run, ended in order."""

from __future__ import annotations

import asyncio

from podlift.local.kubelet.containers import ContainerRun
from podlift.local.kubelet.contract import Obj
from podlift.local.kubelet.executables import CannotStart
from podlift.local.kubelet.facts import Running, Terminated, Waiting
from podlift.local.kubelet.hooks import Watcher, pre_stop
from podlift.local.kubelet.launching import CannotCreate, check_image
from podlift.local.kubelet.ledger import Ledger
from podlift.local.kubelet.making import Maker
from podlift.local.kubelet.processes import Processes
from podlift.local.kubelet.status import is_sidecar

#: How often what is missing (an object, a volume) is looked for again.
RETRY_SECONDS = 1.0

#: As the real kubelet's: what is deleted with no grace still gets this long after SIGTERM.
LEAST_GRACE_SECONDS = 2.0


class Crew:
    """Starts containers, stays with them and ends them; tells the ledger."""

    def __init__(self, ledger: Ledger, maker: Maker, processes: Processes) -> None:
        self.runs: dict[str, ContainerRun] = {}
        self._ledger = ledger
        self._maker = maker
        self._processes = processes
        self._starting: set[asyncio.Task[None]] = set()
        self._waits: dict[str, asyncio.Task[Terminated]] = {}
        self._watchers: dict[str, Watcher] = {}

    @property
    def grace_seconds(self) -> float:
        """How long the containers may take to end, by the pod's spec."""
        return float(self._ledger.pod["spec"].get("terminationGracePeriodSeconds", 30))

    async def has_started_up(self, name: str) -> None:
        """Wait until its hook is over and its startup probe has succeeded, or it has ended."""
        if name in self._watchers:
            await self._watchers[name].hooked.wait()
            await self._watchers[name].started.wait()

    async def settle(self) -> None:
        """Wait for starts that were under way when their pod's life was cancelled."""
        if self._starting:
            await asyncio.wait(self._starting)

    def close(self) -> None:
        """No more probes."""
        for watcher in self._watchers.values():
            watcher.stop()

    async def start(self, container: Obj, *, until_created: bool = True) -> None:
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
                await asyncio.sleep(RETRY_SECONDS)
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
        run = self._maker.make(self._ledger.pod, container, number)
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

        watcher = Watcher(container, run, self._processes, heard, unwell, restart)
        self._watchers[name] = watcher
        watcher.start()

    def _stop_watching(self, name: str) -> None:
        watcher = self._watchers.pop(name, None)
        if watcher is not None:
            watcher.stop()

    async def wait_for(self, container: Obj) -> None:
        """Wait for the end of a container that was started."""
        name = container["name"]
        terminated = await asyncio.shield(self._waits[name])
        self._stop_watching(name)
        if not isinstance(self._ledger.find(name).state, Terminated):
            self._ledger.set(name, state=terminated, started=False, ready=False)
        self._ledger.publish()

    async def end_all(self, grace_seconds: float) -> None:
        """End main containers together, then sidecars in reverse, within the grace period."""
        loop = asyncio.get_running_loop()
        until = loop.time() + grace_seconds
        init = self._ledger.pod["spec"].get("initContainers") or ()
        sidecars = [container for container in init if is_sidecar(container)]
        others = [*self._ledger.pod["spec"]["containers"], *(c for c in init if not is_sidecar(c))]
        # Each waits for its turn to end, but no hook does.
        hooks = [asyncio.ensure_future(self._before_stop(each, grace_seconds)) for each in sidecars]
        await asyncio.gather(*(self._stop(container, grace_seconds) for container in others))
        for container, hook in reversed(list(zip(sidecars, hooks, strict=True))):
            await hook
            await self._stop(container, max(0.0, until - loop.time()), hooked=True)

    async def end_sidecars(self) -> None:
        """End the sidecars, in reverse, once the main containers have ended by themselves."""
        grace = self.grace_seconds
        init = self._ledger.pod["spec"].get("initContainers") or ()
        sidecars = [container for container in init if is_sidecar(container)]
        for container in reversed(sidecars):
            await self._stop(container, grace)
        if sidecars:
            self._ledger.change(sandbox_ready=False)
            self._ledger.publish()

    async def _stop(self, container: Obj, grace_seconds: float, *, hooked: bool = False) -> None:
        name = container["name"]
        run = self.runs.get(name)
        self._stop_watching(name)
        if run is None or name not in self._waits:
            return
        if run.running:
            self._ledger.normal("Killing", f"Stopping container {name}", name)
            await self._terminate(container, run, grace_seconds, hooked=hooked)
        terminated = await self._waits[name]
        if isinstance(self._ledger.find(name).state, Running):
            self._ledger.set(name, state=terminated, started=False, ready=False)

    def hurry(self, grace_seconds: float) -> None:
        """A second deletion grants less time than the first."""
        loop = asyncio.get_running_loop()
        for run in self.runs.values():
            if run.running:
                loop.call_later(max(grace_seconds, 0.0), run.kill)

    async def _terminate(
        self, container: Obj, run: ContainerRun, grace_seconds: float, *, hooked: bool = False
    ) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + grace_seconds
        if not hooked:
            await self._before_stop(container, grace_seconds)
        await run.terminate(max(until - loop.time(), min(grace_seconds, LEAST_GRACE_SECONDS)))

    async def _before_stop(self, container: Obj, grace_seconds: float) -> None:
        name = container["name"]
        run = self.runs.get(name)
        if run is None or not run.running:
            return
        wrong = await pre_stop(container, run, self._processes, grace_seconds)
        if wrong is not None:
            self._ledger.warning("FailedPreStopHook", f"PreStopHook failed: {wrong}", name)
