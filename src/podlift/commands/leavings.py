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

TaskKey: TypeAlias = tuple[str, str, str, int]
"""DAG, task, run and map index."""


class Case(StrEnum):
    """What is to become of a pod; the text says why it stays."""

    REMOVE = "to be removed"
    RUNS = "not ended yet."
    YOUNG = "ended too short a time ago, see --older-than."
    NEEDED = "Airflow still waits for a scheduler to report the end."
    OPERATOR = "made by an operator, which looks after it."
    UNKNOWN = "this Airflow does not know the task; another one may."


@dataclass(frozen=True)
class Known:
    """What Airflow's database says of the pods' tasks."""

    ids: frozenset[str]
    """Ids of tries and other workloads that it knows, also of former tries."""
    by_id: Mapping[str, TaskState]
    by_key: Mapping[TaskKey, TaskState]


def judge(pod: Pod, facts: Known, older_than: float, now: datetime) -> Case:
    """What is to become of the pod; ``older_than`` is in seconds since its end."""
    if pod.metadata.labels.get(COMPONENT) == "operator":
        return Case.OPERATOR
    if not is_finished(pod) or is_deleted(pod):
        return Case.RUNS
    identity = identity_of(pod)
    case = _of_ours(pod, identity, facts) if identity else _of_standard(pod, facts)
    if case is Case.REMOVE and (now - ended_at(pod)).total_seconds() < older_than:
        return Case.YOUNG
    return case


def task_key(pod: Pod) -> TaskKey | None:
    """Whose pod it is by its annotations, which the standard executor writes too."""
    said = pod.metadata.annotations
    try:
        index = int(said.get("map_index", "-1"))
        return said["dag_id"], said["task_id"], said["run_id"], index
    except (KeyError, ValueError):
        return None


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
