"""One pod from its binding to its end: the imperative half of the kubelet.

The runner keeps :class:`~podlift.local.kubelet.facts.PodFacts` up to date and publishes the status
that follows from them. Its life (volumes, init containers, containers, restarts) is one task; when
something else decides the pod's end (deletion, deadline, eviction, the cluster stopping), that task
is cancelled and the containers are ended here.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from podlift.local.kinds import CONFIGMAP, NODE, POD, SECRET
from podlift.local.kubelet.backoff import BackOff
from podlift.local.kubelet.containers import ContainerRun
from podlift.local.kubelet.contract import KubeletOptions, Obj
from podlift.local.kubelet.environment import Surroundings
from podlift.local.kubelet.executables import CannotStart
from podlift.local.kubelet.facts import (
    STATUS_UNKNOWN,
    STATUS_UNKNOWN_MESSAGE,
    ContainerFacts,
    PodFacts,
    Running,
    Terminated,
    Waiting,
)
from podlift.local.kubelet.hooks import Watcher, pre_stop
from podlift.local.kubelet.launching import CannotCreate, check_image, prepare
from podlift.local.kubelet.logs import LogWriter
from podlift.local.kubelet.memory import MemoryLimits
from podlift.local.kubelet.places import (
    container_folder,
    credentials_folder,
    message_file,
    pod_folder,
)
from podlift.local.kubelet.processes import Processes
from podlift.local.kubelet.recording import NORMAL, WARNING, Recorder, timestamp
from podlift.local.kubelet.sandbox import Sandbox
from podlift.local.kubelet.status import POD_IP, initialized, is_sidecar, pod_status
from podlift.local.kubelet.volumes import Sources, VolumeError, set_up
from podlift.local.store import Store, finish_deletion

#: How often what is missing (an object, a volume) is looked for again.
_RETRY_SECONDS = 1.0

#: As the real kubelet's: what is deleted with no grace still gets this long after SIGTERM.
_LEAST_GRACE_SECONDS = 2.0

_NOT_CREATED = Waiting("ContainerCreating")
_NOT_INITIALIZED = Waiting("PodInitializing")


@dataclass(frozen=True, slots=True)
class Means:
    """What all runners of a kubelet share."""

    store: Store
    options: KubeletOptions
    processes: Processes
    limits: MemoryLimits
    sandbox: Sandbox | None
    inherited: dict[str, str]


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
        self.pod = pod
        self.runs: dict[str, ContainerRun] = {}
        self._means = means
        self._recorder = Recorder(means.store, means.options.node_name)
        self._folder = pod_folder(means.options.home, pod["metadata"]["uid"])
        self._ending: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self._volumes: dict[str, Path] = {}
        self._waits: dict[str, asyncio.Task[Terminated]] = {}
        self._watchers: dict[str, Watcher] = {}
        init = pod["spec"].get("initContainers") or []
        waiting = _NOT_INITIALIZED if init else _NOT_CREATED
        self.facts = PodFacts(
            start_time=timestamp(),
            init={one["name"]: ContainerFacts(one["name"], waiting) for one in init},
            main={
                one["name"]: ContainerFacts(one["name"], waiting)
                for one in pod["spec"]["containers"]
            },
        )

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
        if any(container.container_id for container in self.facts):
            self.end(ending)
        else:
            self.end(Ending(0.0, vanished=True))

    def vanish(self) -> None:
        """The pod's object has gone: end what still runs."""
        self.end(Ending(_LEAST_GRACE_SECONDS, vanished=True))

    async def run(self) -> None:
        """The pod's whole life."""
        self._publish()
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
        self._change(sandbox_ready=True)
        self._publish()
        self._change(ip=POD_IP)
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
        if self._means.sandbox is None:
            return  # nothing can be mounted; what can be run without it was admitted
        while True:
            try:
                self._volumes = set_up(self.pod, self._folder / "volumes", self._sources())
            except VolumeError as error:
                self._recorder.repeat(self.pod, WARNING, "FailedMount", str(error))
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
                self._publish()
                sidecars.append(asyncio.create_task(self._keep(container, "Always")))
                if name in self._watchers:
                    await self._watchers[name].started.wait()
                continue
            await self._start(container)
            self._publish()
            await self._keep(container, "OnFailure" if policy == "Always" else policy)
            if not self.facts.find(name).succeeded:
                return False
        return True

    async def _run_main(self) -> None:
        containers = self.pod["spec"]["containers"]
        for container in containers:
            await self._start(container, until_created=len(containers) == 1)
        self._publish()
        policy = self.pod["spec"].get("restartPolicy", "Always")
        async with asyncio.TaskGroup() as group:
            for container in containers:
                group.create_task(self._keep(container, policy))

    async def _keep(self, container: Obj, policy: str) -> None:
        """Stay with a container through its restarts until it has ended for good."""
        name = container["name"]
        back_off = BackOff()
        while True:
            if not isinstance(self.facts.find(name).state, Terminated):
                if name not in self.runs:
                    await self._start(container)  # it could not be created at the first try
                    self._publish()
                    continue
                await self._wait_for(container)
            state = self.facts.find(name).state
            assert isinstance(state, Terminated)
            if policy == "Never" or (policy == "OnFailure" and state.exit_code == 0):
                return
            await self._back_off(container, state, back_off)
            await self._start(container)
            self._publish()

    async def _wait_for(self, container: Obj) -> None:
        name = container["name"]
        terminated = await asyncio.shield(self._waits[name])
        self._stop_watching(name)
        if not isinstance(self.facts.find(name).state, Terminated):
            self._set(name, state=terminated, started=False, ready=False)
        self._publish()

    async def _back_off(self, container: Obj, state: Terminated, back_off: BackOff) -> None:
        name = container["name"]
        seconds = back_off.next()
        if seconds == 0:
            return
        meta = self.pod["metadata"]
        full = f"{meta['name']}_{meta['namespace']}({meta['uid']})"
        message = f"back-off {seconds:g}s restarting failed container={name} pod={full}"
        self._set(name, state=Waiting("CrashLoopBackOff", message), last=state)
        text = f"Back-off restarting failed container {name} in pod {full}"
        self._record(WARNING, "BackOff", text, name)
        self._publish()
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
                self._publish()
                if not until_created:
                    return
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                break
        await self._start_run(container, run)

    def _create(self, container: Obj) -> ContainerRun:
        name = container["name"]
        facts = self.facts.find(name)
        again = facts.container_id != ""
        number = facts.restarts + 1 if again else 0
        folder = container_folder(self._folder, name)
        folder.mkdir(parents=True, exist_ok=True)
        container_id = secrets.token_hex(32)
        work = self._folder / "work"
        work.mkdir(exist_ok=True)
        means = self._means
        launch = prepare(
            self.pod,
            container,
            container_id=container_id,
            around=self._surroundings(),
            volumes=self._volumes if means.sandbox else None,
            message_file=message_file(folder, number, container_id),
            work=work,
        )
        run = ContainerRun(
            launch,
            LogWriter(folder, number),
            processes=means.processes,
            limits=means.limits,
            sandbox=means.sandbox,
        )
        last = facts.state if isinstance(facts.state, Terminated) else facts.last
        self._set(
            name,
            last=last,
            restarts=number,
            container_id=f"podlift://{run.container_id}",
        )
        return run

    async def _start_run(self, container: Obj, run: ContainerRun) -> None:
        name = container["name"]
        self._record(NORMAL, "Created", "Container created", name)
        self.runs[name] = run
        try:
            await run.start()
        except CannotStart as error:
            self._record(WARNING, "Failed", f"Error: {error}", name)
            self._set(name, state=run.not_started(str(error)))
            return
        policy = container.get("terminationMessagePolicy", "File")
        self._waits[name] = asyncio.create_task(run.wait(policy))
        self._record(NORMAL, "Started", "Container started", name)
        assert run.started_at is not None
        self._set(
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
        record = self._recorder.repeat if again else self._recorder.record
        record(self.pod, NORMAL, "ImageNotPulled", message, container["name"])

    def _cannot_create(self, name: str, error: CannotCreate) -> None:
        text = error.reason if error.event else error.message
        if error.event:
            self._recorder.repeat(self.pod, WARNING, error.event, error.message, name)
        self._recorder.repeat(self.pod, WARNING, "Failed", f"Error: {text}", name)
        self._set(name, state=Waiting(error.reason, error.message))

    def _watch(self, container: Obj, run: ContainerRun) -> None:
        """Begin the container's probes and run its postStart hook."""
        name = container["name"]

        def heard(*, started: bool | None = None, ready: bool | None = None) -> None:
            if started is not None:
                self._set(name, started=started)
            if ready is not None:
                self._set(name, ready=ready)
            self._publish()

        def record(type_: str, reason: str, message: str) -> None:
            self._record(type_, reason, message, name)

        async def restart(why: str) -> None:
            self._record(NORMAL, "Killing", why, name)
            await self._terminate(container, run, self.grace_seconds)

        watcher = Watcher(container, run, self._means.processes, heard, record, restart)
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
        self._record(NORMAL, "DeadlineExceeded", message)
        self.end(Ending(self.grace_seconds, "DeadlineExceeded", message))

    async def _end_by(self, ending: Ending) -> None:
        created = any(container.container_id for container in self.facts)
        if ending.reason:
            self._change(reason=ending.reason, message=ending.message, failing=True)
            self._publish(ending.condition)
        elif ending.deleted:
            for container in list(self.facts):
                if isinstance(container.state, Waiting) and not container.container_id:
                    self._set(container.name, state=self._initial(container.name))
            self._publish()
        await self._end_containers(ending.grace_seconds)
        if ending.vanished:
            return
        if not created:
            self._change(sandbox_ready=False)
            self._publish()
        self._give_up()
        self._change(failing=False, ended=True, sandbox_ready=False)
        self._publish(ending.condition)
        if ending.deleted:
            finish_deletion(self._means.store, self.pod)

    def _initial(self, name: str) -> Waiting:
        return _NOT_INITIALIZED if self.facts.init else _NOT_CREATED

    def _give_up(self) -> None:
        """Containers that were never created are told as lost, as the kubelet does."""
        lost = Terminated(137, STATUS_UNKNOWN, STATUS_UNKNOWN_MESSAGE)
        done = initialized(self.pod, self.facts)
        for container in list(self.facts):
            if container.name in self.facts.main and not done:
                continue
            if isinstance(container.state, Waiting):
                state = container.last or lost
                self._set(container.name, state=state)

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
            self._change(sandbox_ready=False)
            self._publish()

    async def _stop(self, container: Obj, grace_seconds: float) -> None:
        name = container["name"]
        run = self.runs.get(name)
        self._stop_watching(name)
        if run is None or name not in self._waits:
            return
        if run.running:
            self._record(NORMAL, "Killing", f"Stopping container {name}", name)
            await self._terminate(container, run, grace_seconds)
        terminated = await self._waits[name]
        if isinstance(self.facts.find(name).state, Running):
            self._set(name, state=terminated, started=False, ready=False)

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
            self._record(WARNING, "FailedPreStopHook", f"PreStopHook failed: {wrong}", name)
        await run.terminate(max(until - loop.time(), min(grace_seconds, _LEAST_GRACE_SECONDS)))

    def _finish(self) -> None:
        """Everything has ended by itself."""
        self._change(ended=True, sandbox_ready=False)
        self._publish()

    # Facts and what others see of them

    def _change(self, **changes: object) -> None:
        self.facts = replace(self.facts, **changes)  # type: ignore[arg-type]

    def _set(self, name: str, **changes: object) -> None:
        changed = replace(self.facts.find(name), **changes)  # type: ignore[arg-type]
        self.facts = self.facts.having(changed)

    def _publish(self, condition: Obj | None = None) -> None:
        meta = self.pod["metadata"]

        def change(pod: Obj) -> None:
            if condition is not None:
                conditions = pod.setdefault("status", {}).setdefault("conditions", [])
                if not any(one["type"] == condition["type"] for one in conditions):
                    conditions.insert(0, condition | {"lastTransitionTime": timestamp()})
            pod["status"] = pod_status(pod, self.facts, timestamp())

        stored = self._means.store.modify(
            POD, meta["namespace"], meta["name"], change, uid=meta["uid"]
        )
        if stored is not None:
            self.pod = stored

    def _record(self, type_: str, reason: str, message: str, container: str | None = None) -> None:
        self._recorder.record(self.pod, type_, reason, message, container)

    def _lookups(self) -> tuple[Callable[[str], Obj | None], Callable[[str], Obj | None]]:
        namespace, store = self.pod["metadata"]["namespace"], self._means.store
        return (
            lambda name: store.find(SECRET, namespace, name),
            lambda name: store.find(CONFIGMAP, namespace, name),
        )

    def _surroundings(self) -> Surroundings:
        secret, config_map = self._lookups()
        means = self._means
        return Surroundings(
            secret, config_map, self._allocatable(), means.options.service, means.inherited
        )

    def _sources(self) -> Sources:
        secret, config_map = self._lookups()
        namespace, options = self.pod["metadata"]["namespace"], self._means.options
        return Sources(
            secret,
            config_map,
            claim_folder=lambda name: options.claims / namespace / name,
            credentials=credentials_folder(options.home) / namespace,
            token=lambda account: options.issue_token(namespace, account),
            ca_certificate=options.ca_certificate,
            allocatable=self._allocatable(),
        )

    def _allocatable(self) -> dict[str, str]:
        node = self._means.store.find(NODE, None, self._means.options.node_name)
        return dict(((node or {}).get("status") or {}).get("allocatable") or {})


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
