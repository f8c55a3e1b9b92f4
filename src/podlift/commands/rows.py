"""A pod as one line of the list: what runs where, since when, in what state and why. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from podlift.commands.printing import duration
from podlift.executor.leftovers import ended_at
from podlift.pods.building import BASE
from podlift.pods.diagnosis import diagnose
from podlift.pods.labels import COMPONENT, EXECUTOR
from podlift.pods.naming import label_value
from podlift.pods.reading import (
    Event,
    Pod,
    container_status,
    is_deleted,
    is_finished,
    pending_reason,
)


@dataclass(frozen=True)
class Wanted:
    """Which pods a person wants to see; what is empty does not matter."""

    dag_id: str = ""
    task_id: str = ""
    run_id: str = ""
    states: frozenset[str] = frozenset()

    @property
    def labels(self) -> Mapping[str, str]:
        """The labels that such pods have."""
        names = ("dag_id", "task_id", "run_id")
        return {name: label_value(value) for name in names if (value := getattr(self, name))}

    def takes(self, row: Row) -> bool:
        """Whether the pod of this row is one of them."""
        return not self.states or row.state in self.states


@dataclass(frozen=True)
class Row:
    """One pod."""

    namespace: str
    pod: str
    kind: str
    """``worker`` for a task's own pod, ``operator`` for one that an operator runs."""
    dag_id: str
    task_id: str
    run_id: str
    map_index: int | None
    try_number: int | None
    state: str
    since: datetime | None
    """When it came into that state."""
    node: str
    scheduler: str
    """Id of the executor that the pod belongs to; it begins with the scheduler's job id."""
    reason: str
    """Why it does not start, or failed."""

    def cells(self, now: datetime) -> dict[str, Any]:
        """For people: a few columns that fit beside each other."""
        task = self.task_id if self.map_index is None else f"{self.task_id}[{self.map_index}]"
        return {
            "pod": f"{self.namespace}/{self.pod}",
            "dag": self.dag_id,
            "task": task if self.kind == "worker" else f"{task} ({self.kind})",
            "run": self.run_id,
            "try": self.try_number,
            "state": self.state,
            "for": duration((now - self.since).total_seconds()) if self.since else "",
            "node": self.node,
            "scheduler": self.scheduler,
            "reason": self.reason,
        }

    def data(self) -> dict[str, Any]:
        """For programs: everything, with types."""
        return dict(vars(self))


def row_of(pod: Pod, events: Sequence[Event] = ()) -> Row:
    """The line of this pod. ``events`` are its own, where somebody has asked for them."""
    said = pod.metadata.annotations
    state = state_of(pod)
    return Row(
        namespace=pod.metadata.namespace,
        pod=pod.metadata.name,
        kind=pod.metadata.labels.get(COMPONENT, "unknown"),
        dag_id=said.get("dag_id", ""),
        task_id=said.get("task_id", ""),
        run_id=said.get("run_id", ""),
        map_index=_number(said.get("map_index")),
        try_number=_number(said.get("try_number")),
        state=state,
        since=_since(pod, state),
        node=pod.spec.node_name,
        scheduler=said.get(EXECUTOR, ""),
        reason=_reason(pod, events),
    )


def state_of(pod: Pod) -> str:
    """The pod's phase in lower case, or ``terminating`` once it is being deleted."""
    if is_deleted(pod) and not is_finished(pod):
        return "terminating"
    return pod.status.phase.lower()


def needs_events(pod: Pod) -> bool:
    """Whether the pod's events may say more of it than its status."""
    return state_of(pod) in ("pending", "terminating")


def _since(pod: Pod, state: str) -> datetime | None:
    if state in ("succeeded", "failed"):
        return ended_at(pod)
    base = container_status(pod, BASE)
    if state == "running" and base is not None and base.state.running is not None:
        return base.state.running.started_at
    return pod.metadata.creation_timestamp


def _reason(pod: Pod, events: Sequence[Event]) -> str:
    diagnosis = diagnose(pod, events, main=BASE)
    if diagnosis is not None:
        return diagnosis.sentence
    return pending_reason(pod, events) or ""


def _number(text: str | None) -> int | None:
    try:
        return None if text is None else int(text)
    except ValueError:
        return None
