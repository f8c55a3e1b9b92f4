"""Which pods may be removed on request: rules on plain data. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from podlift.executor.leftovers import ended_at, is_needed
from podlift.executor.metadata import TaskState
from podlift.pods.labels import COMPONENT, Identity, identity_of
from podlift.pods.reading import Pod, is_deleted, is_finished

STANDARD_PODS = "kubernetes_executor=True"
"""Label selector for the pods of Airflow's standard executor."""

_OVER = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})
"""States of a task instance after which nothing more happens by itself."""

TaskKey: TypeAlias = tuple[str, str, str, int]
"""DAG, task, run and map index."""


class Case(StrEnum):
    """What is to become of a pod; the text says why it stays."""

    REMOVE = "to be removed"
    RUNS = "not ended yet."
    YOUNG = "ended too short a time ago, see --older-than."
    NEEDED = "Airflow still waits for a scheduler to report the end."
    OPERATOR = "made by an operator, whose task is not over."
    UNKNOWN = "this Airflow does not know the task; another one may."


@dataclass(frozen=True)
class Known:
    """What Airflow's database says of the pods' tasks."""

    ids: frozenset[str]
    """Ids of tries and other workloads that it knows, also of former tries."""
    by_id: Mapping[str, TaskState]
    by_key: Mapping[TaskKey, TaskState]


def judge(pod: Pod, facts: Known, older_than: float, now: datetime) -> Case:
    """What is to become of the pod; ``older_than`` is in seconds since its end or last change."""
    identity = identity_of(pod)
    of_operator = is_of_operator(pod)
    if is_deleted(pod) or not (of_operator or is_finished(pod)):
        return Case.RUNS
    if of_operator:
        case = _of_operator(identity, facts)
    else:
        case = _of_ours(pod, identity, facts) if identity else _of_standard(pod, facts)
    if case is Case.REMOVE and (now - ended_at(pod)).total_seconds() < older_than:
        return Case.YOUNG
    return case


def is_of_operator(pod: Pod) -> bool:
    """Whether a task runs in it that waits for it elsewhere."""
    return pod.metadata.labels.get(COMPONENT) == "operator"


def task_key(pod: Pod) -> TaskKey | None:
    """Whose pod it is by its annotations, which the standard executor writes too."""
    said = pod.metadata.annotations
    try:
        index = int(said.get("map_index", "-1"))
        return said["dag_id"], said["task_id"], said["run_id"], index
    except (KeyError, ValueError):
        return None


def _of_operator(identity: Identity | None, facts: Known) -> Case:
    """It goes when its task is over, even if it runs: nobody waits for it any more.

    A user may have ended a deferred task while no triggerer was there to delete its pod. While the
    task is not over, a later try may go on with the pod of an earlier one.
    """
    if identity is None or identity.ti_id not in facts.ids:
        return Case.UNKNOWN
    key = (identity.dag_id, identity.task_id, identity.run_id, identity.map_index)
    task = facts.by_key.get(key)
    return Case.REMOVE if task is None or task.state in _OVER else Case.OPERATOR


def _of_ours(pod: Pod, identity: Identity, facts: Known) -> Case:
    if identity.ti_id not in facts.ids:
        return Case.UNKNOWN
    needed = is_needed(pod, identity, facts.by_id.get(identity.ti_id))
    return Case.NEEDED if needed else Case.REMOVE


def _of_standard(pod: Pod, facts: Known) -> Case:
    key = task_key(pod)
    task = facts.by_key.get(key) if key else None
    number = pod.metadata.annotations.get("try_number", "")
    if key is None or task is None or not number.isdecimal():
        return Case.UNKNOWN
    dag_id, task_id, run_id, map_index = key
    identity = Identity(
        dag_id=dag_id,
        task_id=task_id,
        run_id=run_id,
        ti_id="",
        map_index=map_index,
        try_number=int(number),
    )
    return Case.NEEDED if is_needed(pod, identity, task) else Case.REMOVE
