"""One execution of a task instance, as the engine holds it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from msgspec.structs import replace

from podlift.executor.state import Again, Record, State
from podlift.executor.workloads import facts_of
from podlift.pods.labels import ADOPTIONS, Identity, adoptions_of, identity_of
from podlift.pods.naming import pod_name
from podlift.pods.reading import Event, Pod

if TYPE_CHECKING:
    from airflow.executors.workloads.types import WorkloadKey

    from podlift.executor.workloads import Workload

EXECUTION = "podlift.dev/execution"
"""Annotation: id of the execution. A task instance that was deferred or rescheduled is executed
again under the same UUID, so that alone does not say whether a pod is ours."""
REPLACED = "podlift.dev/replaced"
"""Annotation: how many pods of this execution the infrastructure took away before this one."""
GROWN = "podlift.dev/memory-grown"
"""Annotation: how often this execution got more memory than the pod before it."""
MEMORY = "podlift.dev/memory"
"""Annotation: how much it got in the end."""
LOG_PATH = "podlift.dev/log-path"
"""Annotation: where Airflow looks for the log, below its base log folder."""


@dataclass(eq=False)
class Execution:
    """The facts about an execution, and its record in the state machine."""

    id: str
    number: int
    key: WorkloadKey
    whose: Identity
    """The task instance, callback or connection test that it is an execution of."""
    parts: tuple[str, str]
    """What its pods' names begin with."""
    namespace: str
    log_path: str | None
    priority: int = 0
    workload: Workload | None = field(default=None, repr=False)
    """None once adopted: what was to be run is in the pod only."""
    record: Record = field(default_factory=Record)
    pod: Pod | None = field(default=None, repr=False)
    """The current pod as last seen."""
    events: tuple[Event, ...] = field(default=(), repr=False)
    """The current pod's events, if anybody had to look at them."""
    pod_name: str = ""
    ours_at: float = float("-inf")
    """When Airflow last said that the task is this scheduler's, and queued; see ``uptime``."""
    adoptions: int = 0
    """How often it has changed hands; a pod that says less is an old picture of it."""
    delays: int = 0
    """Creations in a row that the server put off."""
    created_at: float | None = None
    """When the server had made the current pod, in the loop's time; None if it was not asked."""
    reason: tuple[Pod, str] | None = field(default=None, repr=False)
    """Why the pod pends, in a word, with what was looked at to find out."""
    successor: Execution | None = None
    """The next execution of the same task instance, which may not begin before this one ended."""

    @property
    def ti_id(self) -> str:
        """UUID of the task instance, or of the callback or connection test."""
        return self.whose.ti_id

    @property
    def over(self) -> bool:
        """Whether nothing of it runs any more."""
        record = self.record
        return record.state is State.GONE or (record.ended and record.again is Again.NO)

    def identity(self, executor: str) -> Identity:
        """Whose pod the current launch is."""
        return replace(self.whose, launch=self.record.launch, executor=executor)

    def name_pod(self) -> str:
        """Give the pod of the current launch its name, always the same one."""
        self.pod_name = self.pod_name_of(self.record.launch)
        return self.pod_name

    def pod_name_of(self, launch: int) -> str:
        """The name that the pod with this launch number has or will have."""
        return pod_name(self.parts, self.ti_id, launch)

    def annotations(self) -> dict[str, str]:
        """What the pod carries beside its identity, so that another scheduler can go on."""
        return {
            EXECUTION: self.id,
            REPLACED: str(self.record.replaced),
            GROWN: str(self.record.grown),
            LOG_PATH: self.log_path or "",
            ADOPTIONS: str(self.adoptions),
        }


def execution_for(number: int, workload: Workload, namespace: str, team: str = "") -> Execution:
    """A new execution of a workload. Raises ``TypeError`` for one that Podlift does not know."""
    facts = facts_of(workload, team)
    return Execution(
        id=uuid.uuid4().hex,
        number=number,
        key=facts.key,
        whose=facts.whose,
        parts=facts.parts,
        namespace=namespace,
        log_path=facts.log_path,
        priority=facts.priority,
        workload=workload,
        # The last pod may still live. Asking for its name again makes the next wait for its end.
        record=Record(launch=facts.last_launch),
    )


def execution_of(number: int, key: WorkloadKey, pod: Pod) -> Execution:
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
        whose=identity,
        parts=(identity.dag_id, identity.task_id or identity.workload),
        namespace=pod.metadata.namespace,
        log_path=annotations.get(LOG_PATH) or None,
        # As if its creation had just been answered: the pod itself says how far it has come.
        record=Record(
            state=State.CREATING,
            launch=identity.launch,
            replaced=replaced_of(pod),
            grown=grown_of(pod),
            asked=True,
        ),
        pod=pod,
        pod_name=pod.metadata.name,
        adoptions=adoptions_of(pod),
    )


def replaced_of(pod: Pod) -> int:
    """How many pods of its execution the infrastructure took away before this one."""
    return _count(pod.metadata.annotations.get(REPLACED))


def grown_of(pod: Pod) -> int:
    """How often its execution got more memory."""
    return _count(pod.metadata.annotations.get(GROWN))


def _count(text: str | None) -> int:
    """A number that somebody may have edited."""
    return int(text) if text and text.isdecimal() else 0
