"""The engine's middle: feeds observations to the state machine and carries out its effects.

Everything here runs on the engine's loop. Nothing waits in ``observe``: what takes time becomes a
background task that comes back with another observation.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace

from podlift.executor.accounting import Accounts
from podlift.executor.archive import LogFolder
from podlift.executor.blueprints import Blueprints, Deployment
from podlift.executor.census import count, page
from podlift.executor.creating import Creator
from podlift.executor.deleting import Deleter
from podlift.executor.execution import EXECUTION, Execution, execution_for
from podlift.executor.keeping import Keeper
from podlift.executor.messages import (
    Announced,
    Dropped,
    Ended,
    Launch,
    Notice,
    Revoke,
    Started,
    Told,
)
from podlift.executor.metadata import Metadata
from podlift.executor.remote_logging import RemoteLogging
from podlift.executor.seals import Seals
from podlift.executor.state import (
    Announce,
    Create,
    Delete,
    Effect,
    Forget,
    KeepLog,
    LogKept,
    Observation,
    PodGone,
    Policy,
    Released,
    Report,
    Revoked,
    State,
    Tell,
    Tick,
    Verdict,
)
from podlift.executor.tasks import Tasks
from podlift.executor.transitions import reduce
from podlift.executor.viewing import see
from podlift.executor.workloads import CONNECTION_TEST, TASK
from podlift.kube.client import Client
from podlift.kube.view import WatchEvent
from podlift.pods.labels import EXECUTOR, adoptions_of, identity_of
from podlift.pods.reading import Pod
from podlift.settings import Settings

logger = logging.getLogger(__name__)

_DELETES_AT_ONCE = 16


def policy_of(settings: Settings) -> Policy:
    """What the settings mean for the state machine."""
    return Policy(
        infrastructure_retries=settings.infrastructure_retries,
        pending_failure_timeout=settings.pending_failure_timeout,
        delete_succeeded=settings.delete_worker_pods,
        delete_failed=settings.delete_worker_pods and settings.delete_worker_pods_on_failure,
    )


class Control:
    """All executions of one executor. ``notify`` gets what Airflow should know."""

    def __init__(
        self,
        client: Client,
        deployment: Deployment,
        folder: LogFolder,
        tasks: Tasks,
        notify: Callable[[Notice], None],
    ) -> None:
        settings = deployment.settings
        self._deployment = deployment
        self._policy = policy_of(settings)
        self._tasks = tasks
        self._notify = notify
        self._executions: dict[str, Execution] = {}
        self._latest: dict[str, Execution] = {}
        blueprints = Blueprints(deployment, Seals(client, settings.seal_secret_name))
        at_once = settings.pod_creation_max_concurrency
        self.creator = Creator(client, blueprints, self.observe, tasks, at_once)
        self._deleter = Deleter(client, self.observe, _DELETES_AT_ONCE)
        self._keeper = Keeper(client, folder, settings.kept_log_limit, RemoteLogging(folder))
        self.accounts = Accounts(asyncio.get_running_loop().time)

    # What the scheduler asks for

    def launch(self, request: Launch) -> None:
        """Begin an execution, once the one before it of the same task instance has ended."""
        namespace = self._deployment.settings.namespace
        execution = execution_for(
            request.number, request.workload, namespace, self._deployment.team
        )
        before = self._latest.get(execution.ti_id)
        if before is None or before.over:
            self._begin(execution, before)
        else:
            before.successor = execution

    def revoke(self, request: Revoke) -> None:
        """Take back the latest execution of a task instance."""
        execution = self._latest.get(request.ti_id)
        if execution is None:
            return
        if execution.successor is not None:
            execution.successor = None
        else:
            self.observe(execution, Revoked())

    def adopt(self, execution: Execution, pod: Pod) -> None:
        """Go on with an execution that another scheduler began, or that we have already."""
        known = self._executions.get(execution.id)
        if known is not None:
            known.number = execution.number
            return
        self._executions[execution.id] = self._latest[execution.ti_id] = execution
        self._see(execution, pod)

    # What is observed

    def observe(self, execution: Execution, observation: Observation) -> None:
        """Let the state machine judge what was observed, and do what it says."""
        before = execution.record
        execution.record, effects = reduce(before, observation, self._policy)
        self.accounts.moved(execution, before, observation)
        if before.state is not State.RUNNING and execution.record.state is State.RUNNING:
            self._started(execution)
        for effect in effects:
            self._carry_out(execution, effect)
        if execution.over and execution.successor is not None:
            successor, execution.successor = execution.successor, None
            self._begin(successor, execution)

    def watched(self, event: WatchEvent[Pod]) -> None:
        """Something happened to a pod that Podlift manages: maybe one of ours."""
        pod = event.object
        if pod is None:
            return
        execution = self._executions.get(pod.metadata.annotations.get(EXECUTION, ""))
        if execution is None:
            self._other_pod(event, pod)
        elif not self._is_ours(execution, pod):
            self.release(execution)
        elif event.kind == "DELETED":
            self._last_seen(execution, pod)
            self.observe(execution, PodGone(pod.metadata.uid))
        else:
            self._see(execution, pod)

    def release(self, execution: Execution) -> None:
        """Another scheduler has taken the execution's pod over: say and do nothing more about it.

        That scheduler thought us dead, and reports the end; a second report, or a second pod, would
        be wrong.
        """
        self.observe(execution, Released())
        self._notify(Dropped(execution.number, execution.key))

    def tick(self, now: float) -> None:
        """Let time pass for every execution."""
        for execution in list(self._executions.values()):
            self.observe(execution, Tick(now))
        self.accounts.report(self._executions.values(), self.creator.rate)

    def describe(self, now: float) -> str:
        """How things stand, for a person; from any thread."""
        census = count(list(self._executions.values()), now)
        return page(census, self.creator.rate, self.accounts.lag)

    def _other_pod(self, event: WatchEvent[Pod], pod: Pod) -> None:
        """A pod of an earlier execution: it matters if the present one waits for it to go."""
        identity = identity_of(pod)
        execution = self._latest.get(identity.ti_id) if identity else None
        if execution is None or execution.record.uid != pod.metadata.uid:
            return
        gone = event.kind == "DELETED"
        now = asyncio.get_running_loop().time()
        self.observe(execution, PodGone(pod.metadata.uid) if gone else see(pod, now))

    def _is_ours(self, execution: Execution, pod: Pod) -> bool:
        # A pod whose annotations somebody took away has no other owner than us.
        own = self._deployment.executor_id
        if pod.metadata.annotations.get(EXECUTOR, own) == own:
            return True
        return adoptions_of(pod) < execution.adoptions  # from before we took it over

    def _see(self, execution: Execution, pod: Pod) -> None:
        if execution.pod is None:
            self.accounts.first_seen(execution)
        self._last_seen(execution, pod)
        self.observe(execution, see(pod, asyncio.get_running_loop().time()))

    def _last_seen(self, execution: Execution, pod: Pod) -> None:
        if execution.record.uid in ("", pod.metadata.uid):
            execution.pod = pod

    # What is to be done

    def _begin(self, execution: Execution, before: Execution | None) -> None:
        if before is not None:
            first = before.record.launch + 1  # its pod may still be there, and keeps its name
            execution.record = replace(execution.record, launch=first)
        self._executions[execution.id] = self._latest[execution.ti_id] = execution
        self.creator.ask(execution, Create(execution.record.launch))

    def _started(self, execution: Execution) -> None:
        if execution.whose.workload != TASK:  # a task's worker tells Airflow itself
            self._notify(Started(execution.number, execution.key))

    def _carry_out(self, execution: Execution, effect: Effect) -> None:
        match effect:
            case Create():
                execution.pod = None
                self.creator.ask(execution, effect)
            case Announce():
                self._notify(Announced(execution.number, execution.key, execution.pod_name))
            case Tell(sentence):
                logger.info("%s: %s", execution.key, sentence)
                self._notify(Told(execution.key, sentence))
            case KeepLog(verdict):
                self._tasks.spawn(self._keep(execution, verdict))
            case Report(verdict):
                ended = Ended(execution.number, execution.key, verdict.success, verdict.sentence)
                self._notify(ended)
                if execution.whose.workload == CONNECTION_TEST and not verdict.success:
                    told = Metadata().fail_connection_test(execution.ti_id, verdict.sentence)
                    self._tasks.spawn(told)
            case Delete(uid):
                name = execution.pod_name
                self._tasks.spawn(self._deleter.delete(execution, name, uid))
            case Forget():
                self._forget(execution)

    def _forget(self, execution: Execution) -> None:
        self._executions.pop(execution.id, None)
        if self._latest.get(execution.ti_id) is execution:
            del self._latest[execution.ti_id]

    async def _keep(self, execution: Execution, verdict: Verdict) -> None:
        kept = await self._keeper.keep(execution, verdict)
        if kept.problem:
            self._notify(Told(execution.key, kept.problem))
        self.observe(execution, LogKept(kept.sentence))
