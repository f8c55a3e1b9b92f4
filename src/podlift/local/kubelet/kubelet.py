"""The kubelet itself: which pods there are to run, and who may talk to them."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import resource
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

from podlift.local.controllers.fitting import Node
from podlift.local.errors import BadRequest, InternalError, StartFailed
from podlift.local.kinds import NODE, POD
from podlift.local.kubelet import logreading
from podlift.local.kubelet.admission import Refusal, refusal
from podlift.local.kubelet.contract import KubeletOptions, LogOptions, Obj, RunningProcess
from podlift.local.kubelet.environment import INHERITED
from podlift.local.kubelet.logtargets import log_run
from podlift.local.kubelet.making import Means
from podlift.local.kubelet.memory import MemoryLimits
from podlift.local.kubelet.node import keep_alive, register
from podlift.local.kubelet.places import container_folder, credentials_folder, pod_folder
from podlift.local.kubelet.processes import Processes
from podlift.local.kubelet.recording import WARNING, Recorder, timestamp
from podlift.local.kubelet.recovery import (
    LOST,
    kill_leftovers,
    mark_lost,
    remove_strangers,
    stopping,
    was_running,
)
from podlift.local.kubelet.runner import PodRunner
from podlift.local.kubelet.sandbox import Sandbox, find_sandbox
from podlift.local.kubelet.status import rejected_status
from podlift.local.kubelet.streams import Attachment, start_exec
from podlift.local.kubelet.volumes import unmountable
from podlift.local.store import ChangeType, Event, Store, Subscription, finish_deletion

_log = logging.getLogger(__name__)

_FINISHED = ("Succeeded", "Failed")


class Kubelet:
    """Runs the pods of one node; see ``KubeletProtocol`` for what it promises."""

    def __init__(self, store: Store, options: KubeletOptions) -> None:
        self._store = store
        self._options = options
        self._processes = Processes()
        self._runners: dict[str, PodRunner] = {}
        self._lives: dict[str, asyncio.Task[None]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._means: Means | None = None
        self._node: Node | None = None
        self._stopping = False

    async def start(self) -> None:
        """Register the node, mark the pods of a former run as lost and begin to watch."""
        options = self._options
        options.home.mkdir(parents=True, exist_ok=True)
        kill_leftovers(options.home)
        shutil.rmtree(credentials_folder(options.home), ignore_errors=True)
        sandbox = await self._find_sandbox()
        await self._processes.open()
        _allow_many_files()
        digest = hashlib.sha256(str(options.home).encode()).hexdigest()[:12]
        limits = MemoryLimits(f"podlift-{digest}")
        inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
        self._means = Means(self._store, options, self._processes, limits, sandbox, inherited)
        runtime = f"podlift://{'bubblewrap' if sandbox else 'processes'} memory:{limits.how}"
        register(self._store, options.node_name, options.home, runtime.replace(" ", ","))
        self._take_over()
        # Subscribed before anything is awaited, so that no change is missed.
        events = self._store.subscribe(POD, NODE)
        self._tasks = [
            asyncio.create_task(self._follow(events)),
            asyncio.create_task(keep_alive(self._store, options.node_name)),
        ]

    async def stop(self) -> None:
        """End every container (SIGTERM, the grace period, SIGKILL); nothing is left running."""
        self._stopping = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for runner in list(self._runners.values()):
            grace = min(runner.grace_seconds, self._options.stop_grace_seconds)
            runner.stop(stopping(grace))
        await asyncio.gather(*self._lives.values(), return_exceptions=True)
        await self._processes.close()
        if self._means is not None:
            self._means.limits.close()

    async def read_log(self, pod: Obj, options: LogOptions) -> AsyncIterator[bytes]:
        """Open a container's log; see ``KubeletProtocol``."""
        target = log_run(pod, options)
        if target is None:
            return _nothing()
        name, number = target
        folder = container_folder(self._folder(pod), name)
        runner = self._runners.get(pod["metadata"]["uid"])
        run = runner.runs.get(name) if runner else None
        writer = run.log if run and run.log.run == number and not run.log.closed else None
        return logreading.read_log(folder, number, options, writer)

    async def exec(
        self, pod: Obj, container: str, command: list[str], *, stdin: bool, tty: bool
    ) -> RunningProcess:
        """Start *command* beside the container's own process; see ``KubeletProtocol``."""
        runner = self._runner(pod, container)
        run = runner.runs.get(container)
        if run is None or not run.running:
            raise InternalError(
                "Internal error occurred: error executing command in container: failed to exec in "
                f"container: failed to create exec: container {container} of pod "
                f"{pod['metadata']['name']} is not running: not found"
            )
        return await start_exec(run, self._processes, command, stdin=stdin, tty=tty)

    async def attach(self, pod: Obj, container: str, *, stdin: bool, tty: bool) -> RunningProcess:
        """Connect to the container's own process; see ``KubeletProtocol``."""
        runner = self._runner(pod, container)
        run = runner.runs.get(container)
        if run is None or not run.running:
            raise InternalError(
                f"Internal error occurred: error attaching to container: container {container} "
                f"of pod {pod['metadata']['name']} is not running"
            )
        once = any(one["name"] == container and one.get("stdinOnce") for one in _containers(pod))
        return Attachment(run, stdin=stdin, once=once)

    # Which pods there are

    def _take_over(self) -> None:
        """Sort out the pods that the store knows: lost ones, finished ones, ones to run."""
        pods = [pod for pod in self._store.list(POD) if self._is_ours(pod)]
        remove_strangers(self._options.home, [pod["metadata"]["uid"] for pod in pods])
        self._see_node()
        for pod in pods:
            meta = pod["metadata"]
            if was_running(pod):
                lost = self._store.modify(
                    POD, meta["namespace"], meta["name"], lambda one: mark_lost(one, timestamp())
                )
                assert lost is not None
                Recorder(self._store, self._options.node_name).record(
                    lost, WARNING, "NodeLost", LOST
                )
                pod = lost
            self._see(ChangeType.ADDED, pod)

    async def _follow(self, events: Subscription[Event]) -> None:
        async for event in events:
            if event.kind is NODE:
                self._see_node()
            elif self._is_ours(event.object):
                self._see(event.type, event.object)

    def _is_ours(self, pod: Obj) -> bool:
        return bool(pod["spec"].get("nodeName") == self._options.node_name)

    def _see_node(self) -> None:
        node = self._store.find(NODE, None, self._options.node_name)
        if node is not None:
            self._node = Node.of(node, self._node)

    def _see(self, type_: ChangeType, pod: Obj) -> None:
        meta = pod["metadata"]
        uid = meta["uid"]
        if type_ is ChangeType.DELETED:
            self._vanished(pod)
        elif meta.get("deletionTimestamp"):
            self._deleted(pod)
        elif uid in self._runners:
            self._runners[uid].keep_deadline(pod)
        elif not _is_finished(pod):
            self._run(pod)
        if self._node is not None:
            self._node.see(pod, gone=type_ is ChangeType.DELETED)

    def _run(self, pod: Obj) -> None:
        refused = self._refused(pod)
        if refused is not None:
            self._reject(pod, refused)
            return
        assert self._means is not None
        uid = pod["metadata"]["uid"]
        runner = self._runners[uid] = PodRunner(self._means, pod)
        life = self._lives[uid] = asyncio.create_task(runner.run())
        life.add_done_callback(lambda task: self._ended(uid, task))

    def _refused(self, pod: Obj) -> Refusal | None:
        if self._node is not None and pod["metadata"]["uid"] not in self._node.pods:
            refused = refusal(pod, self._node)
            if refused is not None:
                return refused
        mount = unmountable(pod) if self._means and self._means.sandbox is None else None
        if mount is None:
            return None
        return Refusal(
            "FailedMount",
            f'MountVolume.SetUp failed for volume "{mount["name"]}" : to show a volume at '
            f"{mount['mountPath']} the local cluster needs bubblewrap; install the package "
            "bubblewrap and start the cluster again",
        )

    def _reject(self, pod: Obj, refused: Refusal) -> None:
        meta = pod["metadata"]
        message = f"Pod was rejected: {refused.message}"

        def change(one: Obj) -> None:
            one["status"] = rejected_status(one, refused.reason, message, timestamp())

        self._store.modify(POD, meta["namespace"], meta["name"], change, uid=meta["uid"])
        recorder = Recorder(self._store, self._options.node_name)
        recorder.record(pod, WARNING, refused.reason, refused.message)

    def _deleted(self, pod: Obj) -> None:
        uid, meta = pod["metadata"]["uid"], pod["metadata"]
        runner = self._runners.get(uid)
        if runner is not None:
            runner.delete(float(meta.get("deletionGracePeriodSeconds") or 0))
        elif (meta.get("deletionGracePeriodSeconds") or 0) > 0:
            finish_deletion(self._store, pod)

    def _vanished(self, pod: Obj) -> None:
        uid = pod["metadata"]["uid"]
        runner = self._runners.get(uid)
        if runner is not None:
            runner.vanish()
        else:
            self._forget(uid)

    def _ended(self, uid: str, task: asyncio.Task[None]) -> None:
        runner = self._runners.pop(uid)
        del self._lives[uid]
        meta = runner.pod["metadata"]
        if not task.cancelled() and task.exception() is not None:
            _log.error("Running pod %s failed.", meta["name"], exc_info=task.exception())
            self._fail(runner, f"The kubelet could not run the pod: {task.exception()!r}")
        pod = self._store.find(POD, meta["namespace"], meta["name"])
        if pod is None or pod["metadata"]["uid"] != uid:
            self._forget(uid)
        elif pod["metadata"].get("deletionTimestamp"):
            self._deleted(pod)  # it came while the pod was ending for another reason

    def _fail(self, runner: PodRunner, message: str) -> None:
        """Something that should not happen did: end the pod and say so."""
        meta = runner.pod["metadata"]
        for run in runner.runs.values():
            run.kill()

        def change(pod: Obj) -> None:
            pod["status"] |= {"phase": "Failed", "reason": "KubeletError", "message": message}

        self._store.modify(POD, meta["namespace"], meta["name"], change, uid=meta["uid"])

    def _forget(self, uid: str) -> None:
        shutil.rmtree(pod_folder(self._options.home, uid), ignore_errors=True)

    def _folder(self, pod: Obj) -> Path:
        return pod_folder(self._options.home, pod["metadata"]["uid"])

    async def _find_sandbox(self) -> Sandbox | None:
        choice = self._options.sandbox
        if choice == "none":
            return None
        sandbox = await find_sandbox()
        if sandbox is None and choice == "bubblewrap":
            raise StartFailed(
                "The local cluster was told to use bubblewrap, but bwrap is missing or cannot make "
                "namespaces here; install it, or choose sandbox auto or none."
            )
        return sandbox

    def _runner(self, pod: Obj, container: str) -> PodRunner:
        if not any(one["name"] == container for one in _containers(pod)):
            name = pod["metadata"]["name"]
            raise BadRequest(f"container {container} is not valid for pod {name}")
        runner = self._runners.get(pod["metadata"]["uid"])
        if runner is None:
            raise InternalError(
                f"Internal error occurred: container {container} of pod "
                f"{pod['metadata']['name']} is not running: not found"
            )
        return runner


def _allow_many_files() -> None:
    """Each running container takes a handful of descriptors here; those in it keep the limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _containers(pod: Obj) -> list[Obj]:
    spec = pod["spec"]
    return [*(spec.get("initContainers") or ()), *spec["containers"]]


def _is_finished(pod: Obj) -> bool:
    return (pod.get("status") or {}).get("phase") in _FINISHED


async def _nothing() -> AsyncIterator[bytes]:
    chunks: tuple[bytes, ...] = ()
    for chunk in chunks:
        yield chunk
