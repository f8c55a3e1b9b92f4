"""Run one pod from its creation to its deletion: the path every operator takes.

create ─▶ wait for the start ─▶ follow the log ─▶ judge ─▶ delete
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from podlift.kube import PODS, AlreadyExists, Client, KubeError, NotFound
from podlift.kube.pacing import Backoff
from podlift.operators.errors import PodFailed, PodNotCreated, PodNotObserved, PodNotStarted
from podlift.operators.following import LogFollower, tail_of
from podlift.operators.watching import PodView
from podlift.pods.diagnosis import Cause, Diagnosis, diagnose, has_succeeded
from podlift.pods.labels import identity_of
from podlift.pods.plain import Manifest
from podlift.pods.reading import (
    Pod,
    container_status,
    has_started,
    is_deleted,
    is_finished,
    pending_reason,
    read_pod,
)

_LINGER = 60.0
_DELETE_PATIENCE = 30.0
_INIT_LOG_LINES = 50


class OnFinish(StrEnum):
    """What becomes of the pod when it has ended."""

    KEEP_POD = "keep_pod"
    DELETE_POD = "delete_pod"
    DELETE_SUCCEEDED_POD = "delete_succeeded_pod"


class TaskLog(Protocol):
    """Where the task's log goes."""

    def info(self, event: str, /, *args: object) -> object: ...

    def warning(self, event: str, /, *args: object) -> object: ...


@dataclass(frozen=True)
class PodRun:
    """One pod, to be run once."""

    client: Client
    manifest: Manifest
    log: TaskLog
    startup_timeout: float
    """Seconds until the main container must have started, counted from the pod's creation."""
    get_logs: bool = True
    on_finish: OnFinish = OnFinish.DELETE_POD
    main: str = "base"

    async def run(self) -> Pod:
        """Run the pod and return it as it ended, successfully.

        Success is an observed exit code 0 of the main container, whatever other containers do. The
        pod is deleted as ``on_finish`` says; but one that has not ended is always deleted when this
        gives up on it or is cancelled, because nobody would look after it any more.

        Raises ``PodNotCreated``, ``PodNotObserved``, ``PodNotStarted`` or ``PodFailed``.
        """
        deadline = time.monotonic() + self.startup_timeout
        pod = await self._create_or_clean_up(deadline)
        view = PodView(self.client, pod, self.log.warning)
        succeeded = False
        try:
            async with view.kept_current():
                # What becomes of the pod after its end, a deletion say, changes no verdict.
                end = await self._to_its_end(view, deadline)
                await self._judge(view, end)
            succeeded = True
            return end
        finally:
            if self._is_to_be_deleted(view, succeeded):
                await self._delete(pod)

    # --- create -----------------------------------------------------------------------------------

    async def _create_or_clean_up(self, deadline: float) -> Pod:
        try:
            return await self._create(deadline)
        except (PodNotCreated, asyncio.CancelledError):
            # A request whose answer never came may have created it all the same.
            await self._delete_unseen()
            raise

    async def _create(self, deadline: float) -> Pod:
        """Create the pod, or find the one that an earlier attempt for the same try created."""
        name, namespace = self.manifest["metadata"]["name"], self.manifest["metadata"]["namespace"]
        backoff = Backoff(random.random)
        while True:
            try:
                pod = await self.client.create(PODS, self.manifest, namespace, type=Pod)
            except AlreadyExists:
                return await self._find_own(name, namespace)
            except KubeError as error:
                delay = backoff.next(error)
                if not error.transient or time.monotonic() + delay > deadline:
                    raise PodNotCreated(
                        f"Pod {namespace}/{name} was not created: {error}"
                    ) from error
                self.log.warning(f"The pod is not created yet: {error} Trying again.")
                await asyncio.sleep(delay)
            else:
                self.log.info(f"Created pod {namespace}/{name}.")
                return pod

    async def _find_own(self, name: str, namespace: str) -> Pod:
        pod = await self.client.get(PODS, name, namespace, type=Pod)
        if identity_of(pod) != identity_of(read_pod(self.manifest)):
            raise PodNotCreated(
                f"Pod {namespace}/{name} is there already and does not belong to this try of the "
                "task. Delete it, or give the task another name."
            )
        self.log.info(
            f"Found pod {namespace}/{name}, created before for this try; going on with it."
        )
        return pod

    # --- wait and follow --------------------------------------------------------------------------

    async def _to_its_end(self, view: PodView, deadline: float) -> Pod:
        await self._wait_for_start(view, deadline)
        if not has_started(view.pod, self.main):
            return view.pod
        ended = asyncio.Event()
        following = asyncio.ensure_future(self._follow(view, ended))
        try:
            await self._wait_for_end(view)
            end = view.pod
            ended.set()
            await following
            return end
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    async def _wait_for_start(self, view: PodView, deadline: float) -> None:
        told = ""
        while not (has_started(view.pod, self.main) or self._is_over(view)):
            reason = pending_reason(view.pod, view.events) or ""
            if reason and reason != told:
                self.log.info(f"The pod is pending: {reason}")
                told = reason
            remaining = deadline - time.monotonic()
            if remaining <= 0 or not await view.change(remaining):
                raise self._not_started(view)
            self._check_watched(view)
        if has_started(view.pod, self.main):
            node = view.pod.spec.node_name
            self.log.info(
                f"Container {self.main!r} has started" + (f" on node {node}." if node else ".")
            )

    def _not_started(self, view: PodView) -> PodNotStarted:
        found = diagnose(view.pod, view.events, main=self.main)
        waits = pending_reason(view.pod, view.events) or f"container {self.main!r} has not started"
        why = str(found) if found else f"It was still pending: {waits}."
        what = f"did not start within {self.startup_timeout:g} seconds. {why}"
        return PodNotStarted(view.pod.metadata.name, what, found)

    async def _wait_for_end(self, view: PodView) -> None:
        lingers_until: float | None = None
        while not self._is_over(view):
            if is_deleted(view.pod) and lingers_until is None:
                # On a node that is lost, nothing confirms the end of a pod that is being deleted.
                grace = view.pod.metadata.deletion_grace_period_seconds or 0
                lingers_until = time.monotonic() + grace + _LINGER
                self.log.warning("The pod is being deleted; waiting for it to end.")
            remaining = lingers_until - time.monotonic() if lingers_until else None
            if (remaining is not None and remaining <= 0) or not await view.change(remaining):
                return
            self._check_watched(view)

    def _is_over(self, view: PodView) -> bool:
        """Whether nothing more is to be expected of the main container."""
        status = container_status(view.pod, self.main)
        if view.gone or is_finished(view.pod) or (status is not None and status.state.terminated):
            return True
        if has_started(view.pod, self.main) or is_deleted(view.pod):
            return False
        found = diagnose(view.pod, view.events, main=self.main)
        if found is None or found.exit_code is not None:
            return False  # where an init container has ended, the pod is about to
        return not found.can_heal

    def _check_watched(self, view: PodView) -> None:
        if view.failure is not None:
            raise PodNotObserved(
                f"Pod {view.pod.metadata.name} cannot be watched: {view.failure}"
            ) from view.failure

    async def _follow(self, view: PodView, ended: asyncio.Event) -> None:
        if not self.get_logs:
            return
        metadata = view.pod.metadata
        follower = LogFollower(
            self.client, metadata.name, metadata.namespace, self.main, self._tell, self.log.warning
        )
        await follower.follow(ended)

    def _tell(self, line: str) -> None:
        self.log.info("%s", line)  # a line of the user's program may hold a percent sign

    # --- judge ------------------------------------------------------------------------------------

    async def _judge(self, view: PodView, end: Pod) -> None:
        if has_succeeded(end, self.main):
            self.log.info(f"Container {self.main!r} ended with exit code 0.")
            return
        await view.refresh_events()
        found = diagnose(end, view.events, main=self.main, gone=view.gone)
        if found is None:  # given up on, see _wait_for_end
            found = Diagnosis.of(Cause.VANISHED, "The pod's end could not be observed.")
        await self._tell_init_log(end, found)
        for event in sorted(view.events, key=lambda each: each.last_seen):
            if event.type == "Warning":
                self.log.warning("Event %s: %s", event.reason, event.message)
        raise PodFailed(end.metadata.name, str(found), found)

    async def _tell_init_log(self, pod: Pod, found: Diagnosis) -> None:
        if not self.get_logs or found.container in (None, self.main):
            return
        container = found.container or ""
        metadata = pod.metadata
        for line in await tail_of(
            self.client, metadata.name, metadata.namespace, container, _INIT_LOG_LINES
        ):
            self.log.info("[%s] %s", container, line)

    # --- delete -----------------------------------------------------------------------------------

    def _is_to_be_deleted(self, view: PodView, succeeded: bool) -> bool:
        if view.gone:
            return False
        if not succeeded and not is_finished(view.pod) and not self._main_ended(view.pod):
            return True
        if self.on_finish is OnFinish.DELETE_SUCCEEDED_POD:
            return succeeded
        return self.on_finish is OnFinish.DELETE_POD

    def _main_ended(self, pod: Pod) -> bool:
        status = container_status(pod, self.main)
        return status is not None and status.state.terminated is not None

    async def _delete_unseen(self) -> None:
        metadata = self.manifest["metadata"]
        try:
            pod = await self.client.get(PODS, metadata["name"], metadata["namespace"], type=Pod)
        except KubeError:
            return  # most likely it was never created; the error under way says what is wrong
        if identity_of(pod) == identity_of(read_pod(self.manifest)):
            await self._delete(pod)

    async def _delete(self, pod: Pod) -> None:
        """Delete this very pod. The task's fate is decided: what goes wrong here is only logged."""
        metadata = pod.metadata
        backoff = Backoff(random.random)
        deadline = time.monotonic() + _DELETE_PATIENCE
        while True:
            try:
                await self.client.delete(PODS, metadata.name, metadata.namespace, uid=metadata.uid)
            except NotFound:
                return
            except KubeError as error:
                delay = backoff.next(error)
                if not error.transient or time.monotonic() + delay > deadline:
                    self.log.warning(
                        f"Pod {metadata.namespace}/{metadata.name} was not deleted: {error}"
                        " Delete it by hand."
                    )
                    return
                await asyncio.sleep(delay)
            else:
                self.log.info(f"Deleted pod {metadata.namespace}/{metadata.name}.")
                return
