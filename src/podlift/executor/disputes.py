"""Whose a task is, when there may be doubt: Airflow's database decides.

A scheduler that stands still for longer than Airflow waits for it (stopped, suspended, only slow)
loses its tasks to others without noticing. Then nothing that it has in memory holds any more, and a
pod that it creates may be a second one. So it asks before it creates one late, and when it finds
that another pod is in the place of its own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.configuration import conf
from airflow.utils.state import TaskInstanceState
from msgspec.structs import replace

from podlift.executor.claiming import Claims, Taken, job_of
from podlift.executor.execution import EXECUTION, Execution
from podlift.executor.metadata import Metadata, TaskState
from podlift.executor.observations import NameTaken
from podlift.executor.patience import patiently
from podlift.executor.state import State
from podlift.executor.uptime import uptime
from podlift.executor.workloads import TASK
from podlift.kube.client import Client
from podlift.kube.errors import Forbidden, NotFound
from podlift.kube.resources import PODS
from podlift.pods.building import BASE
from podlift.pods.labels import TI_ID, identity_of, labels_of
from podlift.pods.reading import Pod, has_started, is_deleted, is_finished

if TYPE_CHECKING:
    from podlift.executor.control import Control

logger = logging.getLogger(__name__)

_CERTAIN = 5.0
"""Seconds for which we take a task for ours once Airflow has said so; less where Airflow gives
schedulers up sooner, because it can do so at any time after the last sign of life."""
_PART = 5
"""The same as a part of ``[scheduler] scheduler_health_check_threshold``."""
_MOST = 500
"""Tasks that are asked about at once."""
_LOOK_AGAIN = 0.5
"""Seconds until a row is looked at again that a transaction was changing."""
_LOOK_EVERY = 2.0
"""Seconds between two looks at whether a pod in the place of ours has begun the task."""


class Whose(Enum):
    """Who has a task instance."""

    OURS = "ours"
    TAKEN = "taken"
    """Another scheduler has it, or had it last."""
    OVER = "over"
    """There is nothing to run: this try has ended, or Airflow has not queued it."""


def whose(row: TaskState | None, try_number: int, job_id: int) -> Whose:
    """Whose the try is that the database has this row for."""
    alive = (TaskInstanceState.QUEUED, TaskInstanceState.RUNNING)
    if row is None or row.try_number != try_number or row.state not in alive:
        return Whose.OVER
    return Whose.OURS if row.job_id in (None, job_id) else Whose.TAKEN


def has_its_place(pod: Pod, execution: Execution, state: str | None) -> bool:
    """Whether the pod, which is another execution's, does what this one's pod was to do.

    That is so if Airflow has the task running, which it cannot do in ours. While the task is queued
    the pod may be of a former execution, which was deferred and is shutting down; that it has not
    started means nothing, because its node may be late to say so.
    """
    notes = pod.metadata.annotations
    if notes.get(TI_ID) != execution.ti_id or notes.get(EXECUTION, execution.id) == execution.id:
        return False
    living = not is_finished(pod) and not is_deleted(pod)
    return living and state == TaskInstanceState.RUNNING


class Disputes:
    """Settles them for one executor."""

    def __init__(
        self, control: Control, client: Client, metadata: Metadata, executor_id: str
    ) -> None:
        self._control = control
        self._client = client
        self._claims = Claims(client, executor_id)
        self._metadata = metadata
        self._job = job_of(executor_id)
        threshold = conf.getint("scheduler", "scheduler_health_check_threshold")
        self._certain = min(_CERTAIN, threshold / _PART)
        self._asking = asyncio.Lock()

    async def confirm(self, execution: Execution) -> bool:
        """Whether the execution's pod may be created.

        If Airflow has not said for some seconds that the task is ours, it is asked. It is asked
        about everything that waits, with one statement; what is not ours any more is let go. While
        a transaction is changing the task's row, which may be the one by which another scheduler
        takes the task over, nothing is decided.
        """
        if self._is_certain(execution):
            return True
        while True:
            async with self._asking:
                if self._is_certain(execution) or await self._ask(execution):
                    break
            await asyncio.sleep(_LOOK_AGAIN)
        return execution.record.state is State.CREATING and not execution.record.silent

    def _is_certain(self, execution: Execution) -> bool:
        if self._job is None or execution.whose.workload != TASK:
            return True  # nobody else is told of it
        return uptime() - execution.ours_at < self._certain

    async def _ask(self, execution: Execution) -> bool:
        """Returns whether Airflow has decided: it may be giving the task to somebody else."""
        waiting = (State.QUEUED, State.CREATING)
        others = (
            each
            for each in self._control.executions()
            if each is not execution and each.record.state in waiting and not self._is_certain(each)
        )
        asked = [execution, *(each for each, _ in zip(others, range(_MOST), strict=False))]
        since = uptime()
        ids = {each.ti_id for each in asked}
        settled = await self._metadata.task_states(ids, settled=True)
        rows = await self._metadata.task_states(ids) if len(settled) < len(ids) else settled
        asked = [each for each in asked if each.ti_id in settled or each.ti_id not in rows]
        self._let_go(asked, rows)
        for each in asked:
            row = rows.get(each.ti_id)
            if row is not None and row.state == TaskInstanceState.QUEUED:
                each.ours_at = since
        if execution not in asked:
            return False
        row = rows.get(execution.ti_id)
        if row is not None and row.state == TaskInstanceState.RUNNING:
            await self.give_way(execution)
        return True

    def _let_go(self, executions: Iterable[Execution], rows: Mapping[str, TaskState]) -> None:
        assert self._job is not None
        for each in executions:
            match whose(rows.get(each.ti_id), each.whose.try_number, self._job):
                case Whose.TAKEN:
                    self._control.release(each)
                case Whose.OVER:
                    self._control.give_up(each)

    async def name_taken(self, execution: Execution, taken: NameTaken) -> None:
        """Another execution's pod has the name: make room for ours, or go on with that pod.

        If we were held up for long, Airflow has given the task to another scheduler, and the name
        is that of the pod in which it runs. Or that scheduler was held up, and has created its pod
        although the task is ours by now.
        """
        if self._job is None or execution.whose.workload != TASK:
            self._control.observe(execution, taken)
            return
        rows = await self._metadata.task_states([execution.ti_id])
        self._let_go([execution], rows)
        if execution.record.state is not State.CREATING:
            return
        if not execution.record.silent and await self._prefer(execution, rows, taken.uid):
            return
        self._control.observe(execution, taken)
        while self._is_replacing(execution, taken.uid):
            await asyncio.sleep(_LOOK_EVERY)
            rows = await self._metadata.task_states([execution.ti_id])
            if self._is_replacing(execution, taken.uid):
                self._let_go([execution], rows)
            if self._is_replacing(execution, taken.uid):
                await self._prefer(execution, rows, taken.uid)

    def _is_replacing(self, execution: Execution, uid: str) -> bool:
        return execution.record.state is State.REPLACING and execution.record.uid == uid

    async def give_way(self, execution: Execution, *, adopting: bool = False) -> bool:
        """If the task runs in another pod, go on with that one; returns whether it does.

        When ``adopting``, the transaction that makes the task ours may still be under way.
        """
        if self._job is None or execution.whose.workload != TASK:
            return False
        rows = await self._metadata.task_states([execution.ti_id])
        return await self._prefer(execution, rows, adopting=adopting)

    async def living_launch(self, execution: Execution) -> int | None:
        """The launch number of a pod of the task that has not ended; None if there is none.

        A creation with the same number asks for the same name, and so waits until that is free.
        """
        identities = [identity_of(p) for p in await self._pods_of(execution) if not is_finished(p)]
        return max((each.launch for each in identities if each is not None), default=None)

    async def _prefer(
        self,
        execution: Execution,
        rows: Mapping[str, TaskState],
        uid: str = "",
        *,
        adopting: bool = False,
    ) -> bool:
        """Take a pod that has our pod's place; with a ``uid``, only that one."""
        assert self._job is not None
        row = rows.get(execution.ti_id)
        if row is None or row.state != TaskInstanceState.RUNNING:
            return False
        ours = whose(row, execution.whose.try_number, self._job) is Whose.OURS
        if not (ours or adopting):
            return False
        for pod in await self._pods_of(execution):
            if self._control.holds(pod) or (uid and pod.metadata.uid != uid):
                continue
            if not has_its_place(pod, execution, row.state):
                continue
            try:
                pod = await self._claims.claim(pod)
            except (NotFound, Taken):
                continue
            logger.info("%s goes on in pod %s.", execution.key, pod.metadata.name)
            self._control.step_aside(execution, pod)
            return True
        return False

    async def _pods_of(self, execution: Execution) -> list[Pod]:
        """The task instance's pods; those that have started first."""
        labels = labels_of(replace(execution.whose, executor=""))
        selector = ",".join(f"{name}={value}" for name, value in labels.items())
        place = execution.namespace
        ask: Any = partial(self._client.list, PODS, place, label_selector=selector, type=Pod)
        try:
            pods: list[Pod] = (await patiently(ask, "Looking for other pods of a task")).items
        except (Forbidden, NotFound):  # nor could we create one there
            return []
        return sorted(pods, key=lambda pod: not has_started(pod, BASE))
