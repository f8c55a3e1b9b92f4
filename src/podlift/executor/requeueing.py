"""Having Airflow queue a task once more, so that another pod may begin it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from podlift.executor import workloads
from podlift.executor.claiming import job_of
from podlift.executor.execution import Execution
from podlift.executor.metadata import Answer, Metadata
from podlift.executor.workloads import TASK, facts_of

if TYPE_CHECKING:
    from podlift.executor.workloads import Workload


class Requeuer:
    """Asks Airflow's database, in the name of one scheduler."""

    def __init__(self, metadata: Metadata, executor_id: str) -> None:
        self._metadata = metadata
        self._job_id = job_of(executor_id)

    async def ask(
        self, execution: Execution, launch: int, *, unless_running: bool = False
    ) -> Answer:
        """Whether the pod with this launch number may begin the execution's workload.

        With ``DONE`` the execution has its workload, also if it was adopted or had dropped it.
        Callbacks and connection tests may begin at any time. ``RUNS`` is an answer only with
        ``unless_running``.
        """
        if execution.whose.workload != TASK:
            return Answer.DONE if await self._equip(execution) else Answer.OVER
        answer = await self._metadata.requeue(
            execution.ti_id,
            execution.whose.try_number,
            execution.pod_name_of(launch),
            self._job_id,
            unless_running=unless_running,
        )
        if answer is Answer.DONE and not await self._equip(execution):
            return Answer.OVER
        return answer

    async def _equip(self, execution: Execution) -> bool:
        if execution.workload is None:
            execution.workload = await self._workload(execution)
        if execution.workload is None:
            return False
        facts = facts_of(execution.workload)
        execution.priority, execution.parts = facts.priority, facts.parts
        execution.log_path = execution.log_path or facts.log_path
        return True

    async def _workload(self, execution: Execution) -> Workload | None:
        match execution.whose.workload:
            case workloads.TASK:
                return await self._metadata.workload_of(execution.ti_id)
            case workloads.CALLBACK:
                return await self._metadata.callback_workload(execution.ti_id)
        return None  # connection tests are not adopted: who waits is told that it took too long
