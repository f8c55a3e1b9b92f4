"""The executor as Airflow sees it: a thin façade over the engine.

Importing this module, and making an executor, starts nothing: the API server and the command line
do both, to read logs. Everything that talks to the cluster is imported when it is first needed.
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.executors.base_executor import BaseExecutor
from airflow.models.taskinstancekey import TaskInstanceKey
from airflow.utils.state import TaskInstanceState

from podlift.compat import forget_queued_task, runs_every_workload, take_from_queue, workload_key
from podlift.executor.errors import EngineStopped
from podlift.executor.messages import (
    Adopt,
    Adopted,
    Announced,
    Dropped,
    Ended,
    Launch,
    Notice,
    Orphan,
    Revoke,
    Started,
    Told,
)
from podlift.executor.uptime import uptime

if TYPE_CHECKING:
    from airflow.executors.workloads import ExecutorWorkload
    from airflow.executors.workloads.types import WorkloadKey
    from airflow.models.connection_test import ConnectionTestKey
    from airflow.models.taskinstance import TaskInstance
    from sqlalchemy.orm import Session

    from podlift.executor.engine import Engine
    from podlift.executor.tokens import Tokens
    from podlift.settings import Settings

EVENT = "podlift"
"""Name of the entries that the executor adds to a task's event log."""


@runs_every_workload
class KubernetesExecutor(BaseExecutor):
    """Runs every task instance, callback and connection test in a Kubernetes pod of its own.

    Set ``[core] executor = podlift.executor.KubernetesExecutor``; the options are in section
    ``[podlift]``. Neither ``heartbeat`` nor anything that it calls waits for the network, the disk
    or a lock, and their cost does not grow with the number of pods. Only ``start``, ``end`` and
    ``try_adopt_task_instances`` wait, each for a bounded time.
    """

    supports_multi_team = True

    serve_logs = True
    """The scheduler's process serves the logs that it kept to the API server, which may have no
    disk in common with it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._engine: Engine | None = None
        self._settings: Settings | None = None
        self._numbers = itertools.count(1)
        self._current: dict[WorkloadKey, int] = {}
        """Number of each workload's present execution. One that was deferred can be queued
        again before we hear that its former execution ended, under the same key."""
        self._given: dict[WorkloadKey, float] = {}
        """When Airflow handed over what waits for a slot."""
        self._being_saved: list[Any] = []

    @property
    def settings(self) -> Settings:
        """The options. Raises ``AirflowConfigException`` for a value that is none."""
        if self._settings is None:
            self._settings = _load_settings(self.team_name)
        return self._settings

    @cached_property
    def jwt_generator(self) -> Tokens:  # type: ignore[override]  # it has all that is asked of one
        """With which the scheduler makes the tokens of the workloads that it hands over."""
        from podlift.executor.deployment import token_lifetime
        from podlift.executor.tokens import Tokens

        return Tokens(super().jwt_generator, token_lifetime(self.settings))

    def start(self) -> None:
        """Start the engine's thread. Makes no request.

        Raises ``AirflowConfigException`` in a sentence when an option or the kubeconfig is wrong.
        """
        from airflow.exceptions import AirflowConfigException

        from podlift.executor.deployment import deployment_of, log_folder
        from podlift.executor.engine import Engine
        from podlift.kube.errors import ConfigurationError

        for remark in _remarks(self.team_name):
            self.log.warning("%s", remark)
        owner = f"{self.job_id or 'none'}-{uuid.uuid4().hex[:8]}"
        engine = Engine(
            deployment_of(self.settings, owner, self.team_name, self.jwt_generator.of), log_folder()
        )
        try:
            engine.start()
        except ConfigurationError as error:
            raise AirflowConfigException(
                f"Podlift cannot reach a Kubernetes cluster: {error}"
            ) from error
        self._engine = engine

    def queue_workload(self, workload: ExecutorWorkload, session: Session) -> None:
        """Take a workload; it is run when there is a slot for it."""
        super().queue_workload(workload, session)
        self._given[workload_key(workload)] = uptime()

    def _process_workloads(self, workload_items: Sequence[Any]) -> None:
        """Hand the workloads to the engine, in the order of their priority."""
        requests = []
        for workload in workload_items:
            key = workload_key(workload)
            take_from_queue(self, workload, key)
            self.running.add(key)
            self._current[key] = number = next(self._numbers)
            since = self._given.pop(key, float("-inf"))
            requests.append(Launch(number, workload, since))
        self._started().send(requests)

    def sync(self) -> None:
        """Pass on to Airflow what the engine has to say.

        Raises ``EngineStopped`` when the engine failed: the scheduler must start anew, and then
        adopts every pod that is there.
        """
        engine = self._started()
        for notice in engine.take():
            self._pass_on(notice)
        # The scheduler takes the entries out of their queue while it saves them, and SQLAlchemy
        # holds on to none: what nobody else has is empty by then, and none of them is saved.
        self._being_saved = list(self._task_event_logs)
        engine.check()

    def _pass_on(self, notice: Notice) -> None:
        match notice:
            case Announced(number, key, pod_name):
                # Airflow shows this as the task instance's external executor id.
                ours = self._current.get(key) == number and key not in self.event_buffer
                if ours and isinstance(key, TaskInstanceKey):
                    self.queued_in_pod(key, pod_name)
            case Adopted(number, key):
                if self._current.setdefault(key, number) == number:
                    self.running.add(key)
            case Started(number, key):
                if self._current.get(key) == number:
                    self.running_state(key)
            case Ended(number, key, success, sentence):
                if self._current.get(key) == number:
                    del self._current[key]
                    report = self.success if success else self.fail
                    report(key, sentence or None)
            case Dropped(number, key):
                if self._current.get(key) == number:
                    self._drop(key)
            case Told(key, sentence) if isinstance(key, TaskInstanceKey):
                self.log_task_event(event=EVENT, extra=sentence, ti_key=key)
            case Told(key, sentence):  # there is no event log of a callback or a test
                self.log.info("%s: %s", key, sentence)

    def queued_in_pod(self, key: TaskInstanceKey, pod_name: str) -> None:
        """Tell Airflow in which pod the task will run. It stays in ``running``."""
        self.change_state(key, TaskInstanceState.QUEUED, pod_name, remove_running=False)

    # Airflow only iterates over the log, once: a generator keeps it out of memory.
    def get_task_log(self, ti: TaskInstance, try_number: int) -> tuple[list[str], Any]:
        """Where a running pod's log is from, and its pieces; in the API server's process."""
        from airflow.exceptions import AirflowConfigException

        from podlift.executor.choosing import team_served
        from podlift.executor.running_logs import read_running_log

        try:
            # Airflow asks the executor that all teams share, whose options may be others.
            settings = _load_settings(self.team_name or team_served(ti))
            return read_running_log(settings, ti, try_number)
        except AirflowConfigException as error:
            return [str(error)], []

    def try_adopt_task_instances(self, tis: Sequence[TaskInstance]) -> Sequence[TaskInstance]:
        """Take over the task instances of a scheduler that is gone: all of them, at once.

        What has a pod goes on in it, however far it has come; what has none gets one, without
        losing a try. Nothing is waited for, so nothing is handed back.
        """
        orphans = tuple(
            Orphan(
                next(self._numbers),
                ti.key,
                str(ti.id),
                queued=ti.state == TaskInstanceState.QUEUED,
                left_by=ti.queued_by_job_id,
            )
            for ti in tis
        )
        for orphan in orphans:
            self.running.add(orphan.key)
            self._current[orphan.key] = orphan.number
        self._started().send([Adopt(orphans)])
        return []

    def revoke_task(self, *, ti: TaskInstance) -> None:
        """Delete the task instance's pod, and report nothing about it. Never raises."""
        forget_queued_task(self, ti)
        self._given.pop(ti.key, None)
        self._drop(ti.key)
        self._take_back(str(ti.id))

    def fail_connection_test(self, key: ConnectionTestKey) -> None:
        """Delete the pod of a connection test that Airflow gave up. Never raises."""
        super().fail_connection_test(key)
        self._drop(key)
        self._take_back(str(key))

    def end(self) -> None:
        """Stop the engine in bounded time. Pods go on; the next scheduler adopts them."""
        if self._engine is not None:
            self._engine.stop()
            for notice in self._engine.take():
                self._pass_on(notice)
            self._engine = None

    def terminate(self) -> None:
        """The same as ``end``: tasks are not ended because a scheduler is."""
        self.end()

    def debug_dump(self) -> None:
        """Log what the executor and its engine are doing (the scheduler's SIGUSR2)."""
        super().debug_dump()  # type: ignore[no-untyped-call]
        if self._engine is not None:
            self.log.info("podlift.engine\n%s", self._engine.describe())

    def _take_back(self, ti_id: str) -> None:
        if self._engine is not None:
            try:
                self._engine.send([Revoke(ti_id)])
            except EngineStopped as error:  # the next heartbeat raises it
                self.log.warning("The pod of %s is not deleted: %s", ti_id, error)

    def _drop(self, key: WorkloadKey) -> None:
        self.running.discard(key)
        self._current.pop(key, None)

    def _started(self) -> Engine:
        if self._engine is None:
            raise RuntimeError("The executor has not been started.")
        return self._engine


def _remarks(team_name: str | None) -> Iterator[str]:
    """What the administrator should know of the options that are set."""
    from podlift.compat import configured_names
    from podlift.inherited import remarks

    return remarks(lambda section: configured_names(section, team_name))


def _load_settings(team_name: str | None) -> Settings:
    from airflow.exceptions import AirflowConfigException

    from podlift.compat import configured
    from podlift.inherited import refuse
    from podlift.settings import InvalidSetting, load_settings

    def lookup(section: str, option: str) -> str | None:
        return configured(section, option, team_name)

    try:
        refuse(lookup)
        return load_settings(lookup)
    except InvalidSetting as error:
        raise AirflowConfigException(str(error)) from error
