"""What the engine needs to know of a workload: a task, a callback or a connection test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from podlift.compat import workload_key
from podlift.pods.labels import Identity
from podlift.pods.naming import launch_in

if TYPE_CHECKING:
    from airflow.executors.workloads import ExecuteCallback, ExecuteTask, ExecutorWorkload
    from airflow.executors.workloads.connection_test import TestConnection
    from airflow.executors.workloads.types import WorkloadKey

    Workload: TypeAlias = ExecutorWorkload

TASK, CALLBACK, CONNECTION_TEST = "task", "callback", "connection-test"
"""Values of ``Identity.workload``."""

_AHEAD_OF_TASKS = 2**31
"""Callbacks finish what tasks began, and somebody sits in front of a connection test."""


@dataclass(frozen=True)
class Facts:
    """A workload, reduced to what its pod depends on."""

    key: WorkloadKey
    """By which Airflow counts it and hears of it."""
    whose: Identity
    parts: tuple[str, str]
    """What the pod's name begins with."""
    log_path: str | None
    priority: int
    config: Mapping[str, Any]
    """The task's ``executor_config``; nothing else has one."""
    trace: Mapping[str, str]
    """The trace that it is part of, as W3C headers (``traceparent``, ``tracestate``)."""
    bundle_version: str | None = None
    """The version of the DAG bundle with which its run began; None where DAGs have no versions."""
    last_launch: int = 1
    """Launch number of the last pod that Airflow knows of, whichever scheduler made it."""


def kind_of(workload: Workload) -> str:
    """``task``, ``callback`` or ``connection-test``. Raises ``TypeError`` for anything else."""
    kinds = {"ExecuteTask": TASK, "ExecuteCallback": CALLBACK, "TestConnection": CONNECTION_TEST}
    try:
        return kinds[type(workload).__name__]
    except KeyError:
        raise TypeError(f"Podlift does not run {type(workload).__name__} workloads.") from None


def facts_of(workload: Workload, team: str = "") -> Facts:
    """The facts about a workload of any kind. Raises ``TypeError`` for one that is unknown."""
    kind = kind_of(workload)
    if kind == TASK:
        return _task(cast("ExecuteTask", workload), team)
    if kind == CALLBACK:
        return _callback(cast("ExecuteCallback", workload), team)
    return _connection_test(cast("TestConnection", workload), team)


def _task(workload: ExecuteTask, team: str) -> Facts:
    ti = workload.ti
    return Facts(
        key=workload_key(workload),
        whose=Identity.of(ti, team=team),
        parts=(ti.dag_id, ti.task_id),
        log_path=workload.log_path,
        priority=ti.priority_weight,
        config=ti.executor_config or {},
        trace={str(k): str(v) for k, v in (ti.context_carrier or {}).items()},
        bundle_version=workload.bundle_info.version,
        last_launch=launch_in(ti.external_executor_id or "", str(ti.id)) or 1,
    )


def _callback(workload: ExecuteCallback, team: str) -> Facts:
    dag_id, run_id = _run_of(workload.log_path)
    function = str(workload.callback.data.get("path", "")).rpartition(".")[2]
    return Facts(
        key=workload_key(workload),
        whose=Identity(
            dag_id=dag_id,
            task_id="",
            run_id=run_id,
            ti_id=workload.callback.id,
            workload=CALLBACK,
            team=team,
        ),
        parts=(dag_id, f"callback-{function}"),
        log_path=workload.log_path,
        priority=_AHEAD_OF_TASKS,
        config={},
        trace={},
        bundle_version=workload.bundle_info.version,
    )


def _run_of(log_path: str | None) -> tuple[str, str]:
    """The DAG and the run of a callback: its log's path is all that names them.

    ``executor_callbacks/<dag>/<run>/<callback>``, see ``ExecuteCallback.make``.
    """
    parts = PurePosixPath(log_path or "").parts
    return (parts[1], parts[2]) if len(parts) == 4 else ("", "")


def _connection_test(workload: TestConnection, team: str) -> Facts:
    return Facts(
        key=workload_key(workload),
        whose=Identity(
            dag_id="",
            task_id="",
            run_id="",
            ti_id=str(workload.connection_test_id),
            workload=CONNECTION_TEST,
            team=team,
        ),
        parts=("connection-test", workload.connection_id),
        log_path=None,
        priority=_AHEAD_OF_TASKS,
        config={},
        trace={},
    )
