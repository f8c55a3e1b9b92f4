"""The engine's thread: one asyncio loop, one connection pool, one watch per namespace.

The scheduler's side (``start``, ``send``, ``take``, ``stop``) never waits for the network, the
disk or a lock; it appends to one deque and drains another.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import threading
from collections import deque
from collections.abc import Iterable
from contextlib import aclosing

from podlift.executor import metrics
from podlift.executor.adopting import Adopter
from podlift.executor.archive import LogFolder
from podlift.executor.blueprints import Deployment
from podlift.executor.claiming import Claims
from podlift.executor.coalescing import CoalescingSelector
from podlift.executor.connecting import connected
from podlift.executor.control import Control
from podlift.executor.errors import EngineStopped
from podlift.executor.messages import Adopt, Launch, Notice, Request, Revoke
from podlift.executor.sweeping import Sweeper
from podlift.executor.tasks import Tasks
from podlift.pods.reading import is_finished

logger = logging.getLogger(__name__)

_START_TIMEOUT = 30.0
"""Seconds for reading the kubeconfig, which may run a plugin that fetches credentials."""
_TICK = 1.0
_SWITCH_INTERVAL = 0.0005
"""Seconds for which a busy engine may keep the interpreter from the scheduler's thread. Python's
own 5 ms are many times what a heartbeat takes."""


def _make_loop() -> asyncio.AbstractEventLoop:
    return asyncio.SelectorEventLoop(CoalescingSelector())


def _share_the_interpreter() -> None:
    """Keep the two threads from holding each other up; for the whole process (ADR 10)."""
    sys.setswitchinterval(min(sys.getswitchinterval(), _SWITCH_INTERVAL))
    if not gc.get_freeze_count():
        # What was imported stays. A collector's round over all of it stops everything for 0.2 s.
        gc.collect()
        gc.freeze()


class Engine:
    """Runs tasks in pods, in a thread of its own."""

    def __init__(self, deployment: Deployment, folder: LogFolder) -> None:
        self._deployment = deployment
        self._folder = folder
        self._inbox: deque[Request] = deque()
        self._outbox: deque[Notice] = deque()
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._stopping: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._control: Control | None = None
        self._adopter: Adopter | None = None
        self._tasks: Tasks | None = None
        self._thread = threading.Thread(target=self._run, name="podlift-engine", daemon=True)

    # The scheduler's side

    def start(self) -> None:
        """Start the thread, and wait until it knows how to reach the cluster. No request is made.

        Raises what kept it from that, for example ``podlift.kube.errors.ConfigurationError``.
        """
        _share_the_interpreter()
        self._thread.start()
        if not self._ready.wait(_START_TIMEOUT):
            raise EngineStopped("Podlift's engine did not find out how to reach the cluster.")
        if self._failure is not None:
            raise self._failure

    def send(self, requests: Iterable[Request]) -> None:
        """Hand over requests; wakes the engine once. Raises ``EngineStopped``."""
        self._inbox.extend(requests)
        self.check()
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(self._drain)
        except RuntimeError as error:  # the loop was closed since the check
            raise EngineStopped("Podlift's engine has stopped.") from error

    def take(self) -> list[Notice]:
        """Everything that the engine has to say since the last time."""
        notices = []
        while self._outbox:
            notices.append(self._outbox.popleft())
        return notices

    def check(self) -> None:
        """Raises ``EngineStopped`` if the engine failed: the scheduler has to start anew."""
        if self._failure is not None:
            raise EngineStopped(f"Podlift's engine stopped: {self._failure}") from self._failure
        if not self._thread.is_alive():
            raise EngineStopped("Podlift's engine is not running.")

    def describe(self) -> str:
        """How things stand, for a person who reads a debug dump."""
        if self._control is None or self._loop is None:
            return "the engine has not started"
        return self._control.describe(self._loop.time())

    def stop(self) -> None:
        """Stop within the configured time. Pods go on; the next scheduler adopts them."""
        if not self._thread.is_alive() or self._loop is None:
            return
        try:
            self._loop.call_soon_threadsafe(self._stop)
        except RuntimeError:
            return
        self._thread.join(self._deployment.settings.shutdown_timeout + 5.0)
        if self._thread.is_alive():
            logger.warning("Podlift's engine did not stop in time; it ends with the process.")

    # The engine's side

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=_make_loop) as runner:
                runner.run(self._main())
        # Whatever it is: the scheduler's thread raises it, with this traceback as its cause.
        except Exception as error:  # noqa: BLE001
            self._failure = error
        finally:
            self._ready.set()

    async def _main(self) -> None:
        settings = self._deployment.settings
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        metrics.belong_to(self._deployment.team)
        self._tasks = Tasks(self._broken)
        async with connected(settings) as client:
            self._control = Control(
                client, self._deployment, self._folder, self._tasks, self._outbox.append
            )
            namespaces = settings.namespaces or (None,)
            claims = Claims(client, self._deployment.executor_id)
            self._adopter = Adopter(
                client, self._control, claims, self._deployment, self._outbox.append
            )
            sweeper = Sweeper(client, self._control, claims, self._control.keeper, self._deployment)
            forever = [self._control.creator.run(), self._tick(), sweeper.run()]
            forever.append(
                self._control.errands.keep_queued(
                    settings.pending_timeout, self._deployment.queued_timeout
                )
            )
            forever += [self._watch(namespace) for namespace in namespaces]
            running = [asyncio.ensure_future(work) for work in forever]
            for future in running:
                future.add_done_callback(self._ended)
            self._ready.set()
            self._drain()
            try:
                await self._stopping.wait()
            finally:
                for future in running:
                    future.cancel()
                await asyncio.gather(*running, return_exceptions=True)
                patience = 0.0 if self._failure else settings.shutdown_timeout
                await self._tasks.stop(patience)

    def _drain(self) -> None:
        assert self._control is not None
        assert self._adopter is not None
        assert self._tasks is not None
        while self._inbox:
            match self._inbox.popleft():
                case Launch() as request:
                    self._control.launch(request)
                case Revoke() as request:
                    self._control.revoke(request)
                    self._adopter.revoke(request)
                case Adopt() as request:
                    self._tasks.spawn(self._adopter.adopt(request))

    async def _watch(self, namespace: str | None) -> None:
        assert self._control is not None
        async with aclosing(self._control.sight.watch(namespace)) as events:
            async for event in events:
                self._control.hearing.watched(event)
                if (pod := event.object) and (event.kind == "DELETED" or is_finished(pod)):
                    self._control.creator.freed(pod.metadata.namespace)

    async def _tick(self) -> None:
        assert self._control is not None
        while True:
            await asyncio.sleep(_TICK)
            self._control.tick(asyncio.get_running_loop().time())

    def _ended(self, future: asyncio.Future[None]) -> None:
        if not future.cancelled() and (error := future.exception()) is not None:
            self._broken(error)

    def _broken(self, error: BaseException) -> None:
        """Something failed that nobody expected: stop, so that it is seen, and nothing is lost."""
        if self._failure is None:
            self._failure = error
            logger.error("Podlift's engine stops: %s", error, exc_info=error)
        self._stop()

    def _stop(self) -> None:
        assert self._stopping is not None
        self._stopping.set()
