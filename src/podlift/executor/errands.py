"""What takes time: asked of the cluster and of Airflow's database, in background tasks.

Each comes back to ``Control`` with an observation.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from podlift.executor.blueprints import Blueprints
from podlift.executor.disputes import Disputes
from podlift.executor.execution import Execution
from podlift.executor.messages import Told
from podlift.executor.metadata import Answer, Metadata
from podlift.executor.observations import LogKept, PodGone, Requeued
from podlift.executor.patience import patiently
from podlift.executor.requeueing import Requeuer
from podlift.executor.state import Again, State, Verdict
from podlift.executor.uptime import uptime
from podlift.executor.workloads import TASK
from podlift.exit_codes import ExitCode
from podlift.kube.client import Client
from podlift.kube.errors import KubeError, NotFound
from podlift.kube.resources import PODS
from podlift.kube.view import WatchEvent
from podlift.pods.building import BASE
from podlift.pods.reading import Pod, exit_code

if TYPE_CHECKING:
    from podlift.executor.control import Control

_LOOKS_AT_ONCE = 16


class Errands:
    """Done for one ``Control``."""

    def __init__(
        self,
        control: Control,
        client: Client,
        metadata: Metadata,
        disputes: Disputes,
        blueprints: Blueprints,
        executor_id: str,
    ) -> None:
        self._control = control
        self._client = client
        self._metadata = metadata
        self._disputes = disputes
        self._blueprints = blueprints
        self._requeuer = Requeuer(metadata, executor_id)
        self._looks = asyncio.Semaphore(_LOOKS_AT_ONCE)

    async def look_for_the_unseen(self) -> None:
        """All pods have been listed: what came and went since the last list was never told."""
        unseen = [
            each
            for each in self._control.executions()
            if each.record.state is State.PENDING and each.record.uid and each.pod is None
        ]
        for execution in unseen:
            await self.look_again(execution)

    async def look_again(self, execution: Execution) -> None:
        """Ask for the execution's pod, of which something may have been told before we held it."""
        uid, name = execution.record.uid, execution.pod_name
        ask: Any = partial(self._client.get, PODS, name, execution.namespace, type=Pod)
        try:
            async with self._looks:
                pod: Pod = await patiently(ask, f"Looking for pod {name}")
        except KubeError as error:
            if isinstance(error, NotFound):
                self._control.observe(execution, PodGone(uid))
            return
        if pod.metadata.uid == uid:
            self._control.hearing.watched(WatchEvent("MODIFIED", pod))
        else:
            self._control.observe(execution, PodGone(uid))

    async def keep(self, execution: Execution, verdict: Verdict, again: bool) -> None:
        """Bring the log of the execution's pod to safety; ``again`` if another pod follows."""
        kept = await self._control.keeper.keep(execution, verdict, relaunched=again)
        if kept.problem:
            self._control.notify(Told(execution.key, kept.problem))
        self._control.observe(execution, LogKept(kept.sentence))

    async def requeue(self, execution: Execution, launch: int) -> None:
        """Have Airflow queue the task once more, unless it runs elsewhere."""
        code = exit_code(execution.pod, BASE) if execution.pod else None
        if code == ExitCode.WRONG_KEY:
            self._blueprints.forget_key(execution.namespace)
        if code == ExitCode.REFUSED and await self._disputes.give_way(execution):
            return
        since = uptime()
        # What never had a pod, as far as we know, or had one in which it was deferred, runs in one
        # that came after we looked for it.
        elsewhere = execution.record.again in (Again.BEGIN, Again.GO_ON)
        answer = await self._requeuer.ask(execution, launch, unless_running=elsewhere)
        if answer is Answer.RUNS:
            if await self._disputes.give_way(execution, adopting=True):
                return
            answer = await self._requeuer.ask(execution, launch)
        if answer is Answer.TAKEN and execution.record.again is not Again.GO_ON:
            self._control.release(execution)
            return
        if answer is Answer.DONE:
            execution.ours_at = since
        # Airflow may have queued it itself meanwhile, as after a deferral.
        done = answer is Answer.DONE and execution.successor is None
        self._control.observe(execution, Requeued(done))

    async def fail_test(self, execution: Execution, verdict: Verdict) -> None:
        """Tell who waits for a connection test that it failed: Airflow does not."""
        await self._metadata.fail_connection_test(execution.ti_id, verdict.sentence)

    async def keep_queued(self, pending_timeout: float, queued_timeout: float) -> None:
        """Where ``pending_timeout`` says how long tasks may wait, keep Airflow from deciding it."""
        while pending_timeout:
            await asyncio.sleep(queued_timeout / 4)
            over = (State.RUNNING, State.DELETING, State.GONE)
            waiting = [
                each.ti_id
                for each in self._control.executions()
                if each.whose.workload == TASK and each.record.state not in over
            ]
            if waiting:
                await self._metadata.keep_queued(waiting)
