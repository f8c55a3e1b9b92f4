"""The demo's table as plain data: a line for each pod, and for each task that waits for one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from podlift.cli.airflow_api import TaskInstance
from podlift.cli.board import Board, PodRecord, label_of


@dataclass(frozen=True)
class Row:
    """One line of the live table."""

    task: str
    state: str
    """The task instance's state in Airflow; empty on the line of a pod that an operator made."""
    pod: str = ""
    phase: str = ""
    pending: float | None = None
    running: float | None = None
    exit_code: int | None = None


def rows(board: Board, order: Sequence[str], now: float) -> list[Row]:
    """Return the lines of the table, tasks in the given order."""
    task_ids = [*order, *sorted({each.task_id for each in board.tasks.values()} - set(order))]
    return [row for task_id in task_ids for row in _rows_of(board, task_id, now)]


def _rows_of(board: Board, task_id: str, now: float) -> Iterator[Row]:
    records = [
        *board.pods_of(task_id, worker=True),
        *board.pods_of(task_id, worker=False),
    ]
    for instance in sorted(board.instances_of(task_id), key=lambda each: each.map_index):
        own = [each for each in records if each.task == instance.label]
        for record in sorted(own, key=lambda each: (each.identity.try_number, not each.is_worker)):
            yield _pod_row(record, instance, now)
        if not any(each.identity.try_number == instance.try_number for each in own):
            yield Row(task=instance.label, state=instance.state or "waits")


def _pod_row(record: PodRecord, instance: TaskInstance, now: float) -> Row:
    return Row(
        task=_name(record),
        state=_state(record, instance) if record.is_worker else "",
        pod=record.name,
        phase=record.phase,
        pending=record.seconds_pending(now),
        running=record.seconds_running(now),
        exit_code=record.exit_code,
    )


def _name(record: PodRecord) -> str:
    if not record.is_worker:
        return "  └ its container"
    name = label_of(record.identity.task_id, record.identity.map_index)
    tries = record.identity.try_number
    return name if tries == 1 else f"{name} (try {tries})"


def _state(record: PodRecord, instance: TaskInstance) -> str:
    if record.identity.try_number < instance.try_number:
        return "failed, retried"
    return instance.state or "queued"
