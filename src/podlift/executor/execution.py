"""One execution of a task instance, as the engine holds it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from podlift.executor.state import Record, State
from podlift.pods.labels import Identity, identity_of
from podlift.pods.naming import pod_name
from podlift.pods.reading import Pod

if TYPE_CHECKING:
    from airflow.executors.workloads import ExecuteTask
    from airflow.models.taskinstancekey import TaskInstanceKey

EXECUTION = "podlift.dev/execution"
"""Annotation: id of the execution. A task instance that was deferred or rescheduled is executed
again under the same UUID, so that alone does not say whether a pod is ours."""
REPLACED = "podlift.dev/replaced"
"""Annotation: how many pods of this execution the infrastructure took away before this one."""
LOG_PATH = "podlift.dev/log-path"
"""Annotation: where Airflow looks for the log, below its base log folder."""


@dataclass(eq=False)
class Execution:
    """The facts about an execution, and its record in the state machine."""

    id: str
    number: int
    key: TaskInstanceKey
    ti_id: str
    namespace: str
    log_path: str | None
    priority: int = 0
    workload: ExecuteTask | None = field(default=None, repr=False)
    """None once adopted: what was to be run is in the pod only."""
    record: Record = field(default_factory=Record)
    pod: Pod | None = field(default=None, repr=False)
    """The current pod as last seen."""
    pod_name: str = ""
    delays: int = 0
    """Creations in a row that the server put off."""
    successor: Execution | None = None
    """The next execution of the same task instance, which may not begin before this one ended."""

    @property
    def over(self) -> bool:
        """Whether nothing of it runs any more."""
        return self.record.ended or self.record.state is State.GONE

    def identity(self, executor: str) -> Identity:
        """Whose pod the current launch is."""
        return Identity(
            dag_id=self.key.dag_id,
            task_id=self.key.task_id,
            run_id=self.key.run_id,
            ti_id=self.ti_id,
            try_number=self.key.try_number,
            map_index=self.key.map_index,
            launch=self.record.launch,
            executor=executor,
        )

    def name_pod(self) -> str:
        """Give the pod of the current launch its name, always the same one."""
        self.pod_name = pod_name(
            (self.key.dag_id, self.key.task_id), self.ti_id, self.record.launch
        )
        return self.pod_name

    def annotations(self) -> dict[str, str]:
        """What the pod carries beside its identity, so that another scheduler can go on."""
        return {
            EXECUTION: self.id,
            REPLACED: str(self.record.replaced),
            LOG_PATH: self.log_path or "",
        }


def execution_for(number: int, workload: ExecuteTask, namespace: str) -> Execution:
    """A new execution of the workload's task instance."""
    return Execution(
        id=uuid.uuid4().hex,
        number=number,
        key=workload.ti.key,
        ti_id=str(workload.ti.id),
        namespace=namespace,
        log_path=workload.log_path,
        priority=workload.ti.priority_weight,
        workload=workload,
    )


def execution_of(number: int, key: TaskInstanceKey, pod: Pod) -> Execution:
    """The execution that another scheduler began with this pod, as the pod tells it.

    Raises ``ValueError`` for a pod that is not a task's.
    """
    identity = identity_of(pod)
    annotations = pod.metadata.annotations
    if identity is None or EXECUTION not in annotations:
        raise ValueError(f"Pod {pod.metadata.name} was not made by Podlift's executor.")
    return Execution(
        id=annotations[EXECUTION],
        number=number,
        key=key,
        ti_id=identity.ti_id,
        namespace=pod.metadata.namespace,
        log_path=annotations.get(LOG_PATH) or None,
        # As if its creation had just been answered: the pod itself says how far it has come.
        record=Record(
            state=State.CREATING,
            launch=identity.launch,
            replaced=int(annotations.get(REPLACED) or 0),
            replaceable=False,
            asked=True,
        ),
        pod=pod,
        pod_name=pod.metadata.name,
    )
