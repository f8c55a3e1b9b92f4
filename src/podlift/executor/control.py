"""The engine's middle: feeds observations to the state machine and carries out its effects.

Everything here runs on the engine's loop. Nothing waits in ``observe``: what takes time becomes a
background task that comes back with another observation.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from msgspec.structs import replace

from podlift.executor.accounting import Accounts
from podlift.executor.archive import LogFolder
from podlift.executor.blueprints import Blueprints, Deployment
from podlift.executor.census import count, page
from podlift.executor.creating import Creator
from podlift.executor.deleting import Deleter
from podlift.executor.disputes import Disputes
from podlift.executor.effects import (
    Announce,
    Create,
    Delete,
    Effect,
    Forget,
    KeepLog,
    LookAtEvents,
    Report,
    Requeue,
    Tell,
)
from podlift.executor.errands import Errands
from podlift.executor.events import Looks
from podlift.executor.execution import EXECUTION, Execution, execution_for, execution_of
from podlift.executor.hearing import Hearing
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
from podlift.executor.observations import NameTaken, Observation, Released, Revoked, Tick
from podlift.executor.policies import policy_of
from podlift.executor.remote_logging import RemoteLogging
from podlift.executor.seals import Seals
from podlift.executor.sight import Sight
from podlift.executor.state import State
from podlift.executor.tasks import Tasks
from podlift.executor.transitions import needs_time, reduce
from podlift.executor.workloads import CONNECTION_TEST, TASK
from podlift.kube.client import Client
from podlift.kube.view import WatchEvent
from podlift.pods.causes import Cause
from podlift.pods.reading import Pod, is_finished

logger = logging.getLogger(__name__)

_DELETES_AT_ONCE = 16


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
        self._client = client
        self._deployment = deployment
        self._policy = policy_of(settings)
        self._tasks = tasks
        self.notify = notify
        self._executions: dict[str, Execution] = {}
        self._latest: dict[str, Execution] = {}
        self._timed: dict[str, Execution] = {}
        self._blueprints = Blueprints(deployment, Seals(client, settings.seal_secret_name))
        self.sight = Sight(client, settings.namespace)
        self.keeper = Keeper(client, folder, settings.kept_log_limit, RemoteLogging(folder))
        metadata = Metadata()
        self._disputes = disputes = Disputes(self, client, metadata, deployment.executor_id)
        self.errands = Errands(
            self, client, metadata, disputes, self._blueprints, deployment.executor_id
        )
        self.creator = Creator(
            client,
            self._blueprints,
            self.sight,
            self._answered,
            disputes.confirm,
            tasks,
            settings.pod_creation_max_concurrency,
        )
        self._deleter = Deleter(
            client, self.observe, _DELETES_AT_ONCE, settings.delete_option_kwargs
        )
        self.accounts = Accounts(asyncio.get_running_loop().time)
        self.hearing = Hearing(self, tasks, self._blueprints, deployment)
        self._looks = Looks(client, tasks, self.hearing.see)

    # What the scheduler asks for

    def launch(self, request: Launch) -> None:
        """Begin an execution, once the one before it of the same task instance has ended."""
        namespace = self._deployment.settings.namespace
        execution = execution_for(
            request.number, request.workload, namespace, self._deployment.team
        )
        execution.ours_at = request.since
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
            known = self._latest.get(execution.ti_id, known)  # another one may have followed
            known = known.successor or known
            known.number = max(known.number, execution.number)
            return
        self._executions[execution.id] = self._latest[execution.ti_id] = execution
        self.hearing.see(execution, pod)
        # Since the server gave us this pod, the watch may have told more of it, and to nobody.
        if not is_finished(pod):
            self._tasks.spawn(self.errands.look_again(execution))

    def revive(self, execution: Execution) -> None:
        """Go on with an execution of which there is no pod: Airflow is asked to let it have one."""
        known = self._latest.get(execution.ti_id)
        if known is None or (known.over and known.successor is None):
            self._begin(execution, known)
        elif known.record.silent and known.successor is None:
            known.successor = execution  # what we said of that one's end, Airflow did not take
        else:  # we have it already: Airflow repeats what it could not complete
            known = known.successor or known
            known.number = max(known.number, execution.number)

    # What is observed

    def observe(self, execution: Execution, observation: Observation) -> None:
        """Let the state machine judge what was observed, and do what it says."""
        before = execution.record
        execution.record, effects = reduce(before, observation, self._policy)
        self.accounts.moved(execution, before, observation)
        if before.state is not State.RUNNING and execution.record.state is State.RUNNING:
            self._started(execution)
        if needs_time(execution.record, self._policy):
            self._timed[execution.id] = execution
        else:
            self._timed.pop(execution.id, None)
        for effect in effects:
            self._carry_out(execution, effect)
        if execution.over and execution.successor is not None:
            successor, execution.successor = execution.successor, None
            self._begin(successor, execution)

    def _answered(self, execution: Execution, observation: Observation) -> None:
        """What came of a creation."""
        if isinstance(observation, NameTaken):
            self._tasks.spawn(self._disputes.name_taken(execution, observation))
        else:
            self.observe(execution, observation)

    def holds(self, pod: Pod) -> bool:
        """Whether the pod belongs to an execution that is not over."""
        return self.holder_of(pod) is not None

    def is_done_with(self, pod: Pod) -> bool:
        """Whether the end of the pod's execution was reported already, or is not to be."""
        known = self.holder_of(pod)
        return known is not None and known.record.silent

    def release(self, execution: Execution) -> None:
        """Another scheduler has taken the execution's pod over: say and do nothing more about it.

        That scheduler thought us dead, and reports the end; a second report, or a second pod, would
        be wrong.
        """
        self.observe(execution, Released())
        self.notify(Dropped(execution.number, execution.key))

    def give_up(self, execution: Execution) -> None:
        """Airflow has nothing to run for it any more: leave no pod, and say nothing."""
        self.observe(execution, Revoked())
        self.notify(Dropped(execution.number, execution.key))

    def step_aside(self, execution: Execution, pod: Pod) -> None:
        """Go on in a pod of another execution, which has the place of this one's and is ours."""
        successor, execution.successor = execution.successor, None
        own = execution.record.uid if execution.record.state is State.REQUEUEING else ""
        self.observe(execution, Released())
        if own:
            self._tasks.spawn(self._deleter.delete(execution, execution.pod_name, own))
        other = execution_of(execution.number, execution.key, pod)
        other.successor = successor
        self.adopt(other, pod)

    def tick(self, now: float) -> None:
        """Let time pass for every execution."""
        for execution in list(self._timed.values()):
            self.observe(execution, Tick(now))
        self.accounts.report(self._executions.values(), self.creator.rate)

    def executions(self) -> list[Execution]:
        """All that are not forgotten."""
        return list(self._executions.values())

    def holder_of(self, pod: Pod) -> Execution | None:
        """The execution that the pod was made for, if we have it."""
        return self._executions.get(pod.metadata.annotations.get(EXECUTION, ""))

    def latest(self, ti_id: str) -> Execution | None:
        """The last execution of a task instance that we have."""
        return self._latest.get(ti_id)

    def describe(self, now: float) -> str:
        """How things stand, for a person; from any thread."""
        census = count(list(self._executions.values()), now)
        return page(census, self.creator.rate, self.accounts.lag)

    # What is to be done

    def _begin(self, execution: Execution, before: Execution | None) -> None:
        record = execution.record
        orphaned = record.state is State.REQUEUEING  # its launch is that of the pod before
        known = 1  # the last launch of which we have seen the end
        if before is not None:
            last = before.record.launch  # its pod may still be there, and keeps its name
            launch = max(record.launch, last if orphaned else last + 1)
            execution.record = replace(record, launch=launch)
            known = last if before.record.ended else 0
        self._executions[execution.id] = self._latest[execution.ti_id] = execution
        launch = execution.record.launch
        if orphaned:
            self._carry_out(execution, Requeue(launch + 1, Cause.VANISHED))
        elif record.launch <= known:
            self._carry_out(execution, Create(launch))
        else:
            if before is not None:
                execution.namespace = before.namespace
            self._tasks.spawn(self._begin_beside(execution))

    async def _begin_beside(self, execution: Execution) -> None:
        """Another scheduler had the task meanwhile: wait for those of its pods that still live."""
        living = await self._disputes.living_launch(execution)
        if execution.record.state is State.QUEUED:  # not taken back meanwhile
            launch = execution.record.launch if living is None else living
            execution.record = replace(execution.record, launch=launch)
            self._carry_out(execution, Create(launch))

    def _started(self, execution: Execution) -> None:
        if execution.whose.workload != TASK:  # a task's worker tells Airflow itself
            self.notify(Started(execution.number, execution.key))
        else:  # should it ever need another pod, Airflow has it: thousands of them are large
            execution.workload = None

    def _carry_out(self, execution: Execution, effect: Effect) -> None:
        match effect:
            case Create():
                execution.pod, execution.events = None, ()
                self.creator.ask(execution, effect)
            case Announce():
                self.notify(Announced(execution.number, execution.key, execution.pod_name))
            case Tell(sentence):
                logger.info("%s: %s", execution.key, sentence)
                self.notify(Told(execution.key, sentence))
            case LookAtEvents():
                self._looks.ask(execution)
            case KeepLog(verdict, again):
                self._tasks.spawn(self.errands.keep(execution, verdict, again))
            case Requeue(launch):
                self._tasks.spawn(self.errands.requeue(execution, launch))
            case Report(verdict):
                ended = Ended(execution.number, execution.key, verdict.success, verdict.sentence)
                self.notify(ended)
                if execution.whose.workload == CONNECTION_TEST and not verdict.success:
                    self._tasks.spawn(self.errands.fail_test(execution, verdict))
            case Delete(uid):
                # Without a uid it is the pod whose creation was never answered.
                launch = execution.record.launch
                name = execution.pod_name if uid else execution.pod_name_of(launch)
                self._tasks.spawn(self._deleter.delete(execution, name, uid))
            case Forget():
                self._forget(execution)

    def _forget(self, execution: Execution) -> None:
        self.keeper.forget(execution)
        self._executions.pop(execution.id, None)
        self._timed.pop(execution.id, None)
        if self._latest.get(execution.ti_id) is execution:
            del self._latest[execution.ti_id]
        if execution.pod is not None:  # it may have been left, and no event may ever come of it
            self.hearing.unheld.put_nowait(WatchEvent("MODIFIED", execution.pod))
