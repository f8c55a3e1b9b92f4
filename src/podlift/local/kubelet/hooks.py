"""What goes on beside a running container: its probes and its lifecycle hooks.

See https://kubernetes.io/docs/concepts/containers/container-lifecycle-hooks/.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from podlift.local.kubelet.containers import ContainerRun
from podlift.local.kubelet.contract import Obj
from podlift.local.kubelet.probing import attempt
from podlift.local.kubelet.processes import Processes

#: A hook without another bound may take this long.
_HOOK_SECONDS = 30.0


class Heard(Protocol):
    """Told when a probe changes what is known of the container."""

    def __call__(self, *, started: bool | None = None, ready: bool | None = None) -> None: ...


class Watcher:
    """Runs the probes of one run of a container until it is stopped.

    *heard* is told of changes, *unwell* records a warning, *restart* ends the container.
    """

    def __init__(
        self,
        container: Obj,
        run: ContainerRun,
        processes: Processes,
        heard: Heard,
        unwell: Callable[[str, str], None],
        restart: Callable[[str], Awaitable[None]],
    ) -> None:
        self.started = asyncio.Event()
        self.hooked = asyncio.Event()
        """The postStart hook is over, or there is none."""
        self._container = container
        self._run = run
        self._processes = processes
        self._heard = heard
        self._unwell = unwell
        self._restart = restart
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin: the startup probe first, then readiness and liveness side by side."""
        if "startupProbe" not in self._container:
            self.started.set()
        if any(
            kind in self._container for kind in ("startupProbe", "readinessProbe", "livenessProbe")
        ):
            self._begin(self._probe_all())
        if "postStart" in (self._container.get("lifecycle") or {}):
            self._begin(self._post_start())
        else:
            self.hooked.set()

    def stop(self) -> None:
        """No more probes."""
        own = asyncio.current_task()
        for task in self._tasks:
            if task is not own:
                task.cancel()
        self.started.set()
        self.hooked.set()

    def _begin(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _probe_all(self) -> None:
        container = self._container
        if "startupProbe" in container and not await self._probe(
            "Startup", container["startupProbe"]
        ):
            return
        if not self.started.is_set():
            self.started.set()
            self._heard(started=True)
        if "livenessProbe" in container:
            self._begin(self._live(container["livenessProbe"]))
        if "readinessProbe" in container:
            await self._ready(container["readinessProbe"])

    async def _probe(self, kind: str, probe: Obj) -> bool:
        """Until it succeeds (True) or has failed too often and the container is ended."""
        await asyncio.sleep(probe.get("initialDelaySeconds", 0))
        failures = 0
        while True:
            wrong = await self._attempt(kind, probe)
            if wrong is None:
                return True
            failures += 1
            if failures >= probe.get("failureThreshold", 3):
                await self._restart(self._verdict(kind))
                return False
            await asyncio.sleep(probe.get("periodSeconds", 10))

    async def _live(self, probe: Obj) -> None:
        await asyncio.sleep(probe.get("initialDelaySeconds", 0))
        failures = 0
        while self._run.running:
            wrong = await self._attempt("Liveness", probe)
            failures = failures + 1 if wrong is not None else 0
            if failures >= probe.get("failureThreshold", 3):
                await self._restart(self._verdict("Liveness"))
                return
            await asyncio.sleep(probe.get("periodSeconds", 10))

    async def _ready(self, probe: Obj) -> None:
        await asyncio.sleep(probe.get("initialDelaySeconds", 0))
        ready, same = False, 0
        while self._run.running:
            good = await self._attempt("Readiness", probe) is None
            same = same + 1 if good != ready else 0
            enough = probe.get("successThreshold", 1) if good else probe.get("failureThreshold", 3)
            if good != ready and same >= enough:
                ready, same = good, 0
                self._heard(ready=ready)
            await asyncio.sleep(probe.get("periodSeconds", 10))

    async def _attempt(self, kind: str, probe: Obj) -> str | None:
        timeout = float(probe.get("timeoutSeconds", 1))
        action: Obj = {
            name: probe[name] for name in ("exec", "httpGet", "tcpSocket", "grpc") if name in probe
        }
        wrong = await attempt(action, self._container, self._run, self._processes, timeout)
        if wrong is not None:
            self._unwell("Unhealthy", f"{kind} probe failed: {wrong}")
        return wrong

    def _verdict(self, kind: str) -> str:
        return f"Container {self._container['name']} failed {kind.lower()} probe, will be restarted"

    async def _post_start(self) -> None:
        action = self._container["lifecycle"]["postStart"]
        wrong = await attempt(action, self._container, self._run, self._processes, _HOOK_SECONDS)
        self.hooked.set()
        if wrong is not None:
            self._unwell("FailedPostStartHook", f"PostStartHook failed: {wrong}")
            await self._restart("FailedPostStartHook")


async def pre_stop(
    container: Obj, run: ContainerRun, processes: Processes, seconds: float
) -> str | None:
    """Run the container's preStop hook, if it has one; returns what went wrong."""
    action = (container.get("lifecycle") or {}).get("preStop")
    if not action or seconds <= 0:
        return None
    return await attempt(action, container, run, processes, seconds)
