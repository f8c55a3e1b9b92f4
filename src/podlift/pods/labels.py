"""Who a pod belongs to, written on the pod and read back from it.

Labels are what people and selectors search by; they are limited to 63 plain characters, so a long
or unusual value is shortened there. Annotations hold the exact values, and are what is read back.
"""

from __future__ import annotations

from typing import Any

import msgspec

from podlift.pods.naming import label_value
from podlift.pods.reading import Pod

MANAGED_BY = "app.kubernetes.io/managed-by"
NAME = "app.kubernetes.io/name"
COMPONENT = "app.kubernetes.io/component"
EXECUTOR = "podlift.dev/executor"
TI_ID = "podlift.dev/ti-id"
LAUNCH = "podlift.dev/launch"
ADOPTIONS = "podlift.dev/adoptions"
"""How often the pod has changed hands between schedulers; each one counts on from the last."""
WORKLOAD = "podlift.dev/workload"
"""What the pod runs, where that is no task: see ``Identity.workload``."""
TEAM = "podlift.dev/team"
"""The team of a multi-team Airflow whose executor made the pod."""
BUNDLE_VERSION = "podlift.dev/bundle-version"
"""Annotation: the version of the DAG bundle that the run began with, where it has one. A template
may have it for runs that have none, and hand it to what fetches the DAGs, by the downward API."""

PODLIFT = "podlift"


class Identity(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The task instance, its try and its launch that a pod was made for, and who made it."""

    dag_id: str
    task_id: str
    run_id: str
    ti_id: str
    """The task instance's UUID; Airflow gives every try a new one."""
    try_number: int = 1
    map_index: int = -1
    """-1 for a task that is not mapped."""
    launch: int = 1
    """Counts the pods started for this try: infrastructure may take the first ones away."""
    executor: str = ""
    """Id of the executor or operator that owns the pod."""
    workload: str = "task"
    """``task``, ``callback`` or ``connection-test``. The latter two have an id of their own in
    ``ti_id``, and leave empty what they do not belong to."""
    team: str = ""
    """Name of the team, where Airflow serves several."""

    @classmethod
    def of(cls, ti: Any, *, try_number: int | None = None, team: str = "") -> Identity:
        """Whose pod that of a task instance is; ``ti`` is any of Airflow's forms of one.

        ``try_number`` names an earlier try than the one that ``ti`` is at.
        """
        return cls(
            dag_id=ti.dag_id,
            task_id=ti.task_id,
            run_id=ti.run_id,
            ti_id=str(ti.id),
            try_number=ti.try_number if try_number is None else try_number,
            map_index=-1 if ti.map_index is None else ti.map_index,
            team=team,
        )


def labels_of(identity: Identity, component: str = "") -> dict[str, str]:
    """Labels for a pod of this task instance. The value of each is valid, if need be shortened."""
    own = "worker" if identity.workload == "task" else identity.workload
    labels = {NAME: "airflow", COMPONENT: component or own, MANAGED_BY: PODLIFT}
    for name in ("dag_id", "task_id", "run_id"):
        if value := getattr(identity, name):
            labels[name] = label_value(value)
    if identity.workload == "task":
        labels["try_number"] = str(identity.try_number)
    if identity.map_index >= 0:
        labels["map_index"] = str(identity.map_index)
    if identity.executor:
        labels[EXECUTOR] = label_value(identity.executor)
    if identity.team:
        labels[TEAM] = label_value(identity.team)
    return labels


def annotations_of(identity: Identity) -> dict[str, str]:
    """Annotations with the exact values, from which ``identity_of`` reads the identity again."""
    annotations = {
        "dag_id": identity.dag_id,
        "task_id": identity.task_id,
        "run_id": identity.run_id,
        "try_number": str(identity.try_number),
        TI_ID: identity.ti_id,
        LAUNCH: str(identity.launch),
        EXECUTOR: identity.executor,
    }
    if identity.map_index >= 0:
        annotations["map_index"] = str(identity.map_index)
    if identity.workload != "task":
        annotations[WORKLOAD] = identity.workload
    if identity.team:
        annotations[TEAM] = identity.team
    return annotations


def identity_of(pod: Pod) -> Identity | None:
    """Read back whose pod this is; None for a pod that Podlift did not make or no longer knows."""
    annotations = pod.metadata.annotations
    try:
        return Identity(
            dag_id=annotations["dag_id"],
            task_id=annotations["task_id"],
            run_id=annotations["run_id"],
            ti_id=annotations[TI_ID],
            try_number=int(annotations["try_number"]),
            map_index=int(annotations.get("map_index", "-1")),
            launch=int(annotations[LAUNCH]),
            executor=annotations.get(EXECUTOR, ""),
            workload=annotations.get(WORKLOAD, "task"),
            team=annotations.get(TEAM, ""),
        )
    except (KeyError, ValueError):  # someone took or changed an annotation: not ours to touch
        return None


def adoptions_of(pod: Pod) -> int:
    """How often the pod has changed hands between schedulers."""
    text = pod.metadata.annotations.get(ADOPTIONS, "")
    return int(text) if text.isdecimal() else 0


def selector_for(executor: str = "") -> str:
    """Label selector for Podlift's pods; with an id, for the pods of that executor only."""
    selector = f"{MANAGED_BY}={PODLIFT}"
    return f"{selector},{EXECUTOR}={label_value(executor)}" if executor else selector
