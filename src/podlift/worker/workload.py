"""Getting hold of the workload: what task this worker is for.

Today it comes sealed in an environment variable. Nothing after this module knows that, so that a
pod that was started ahead of need can be handed its workload in another way.
"""

from __future__ import annotations

import json
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any, TypeAlias

from podlift.sealing import KEY_VARIABLE, WORKLOAD_VARIABLE, SealError, from_variables, unseal
from podlift.worker.errors import WorkerError
from podlift.worker.outcome import ExitCode

if TYPE_CHECKING:
    from airflow.executors.workloads import ExecuteCallback, TestConnection

    from podlift.worker.task_workload import TaskWorkload


Workload: TypeAlias = "TaskWorkload | ExecuteCallback | TestConnection"


def take_workload(environment: MutableMapping[str, str]) -> bytes:
    """Unseal the workload, and take it and its key out of the environment that tasks will see.

    Raises ``WorkerError`` when either is missing or they do not fit.
    """
    sealed = from_variables(environment)
    keys = environment.pop(KEY_VARIABLE, "").split()
    if not sealed:
        raise WorkerError(
            ExitCode.NO_WORKLOAD,
            f"There is no workload in {WORKLOAD_VARIABLE}: podlift.worker is started by Podlift's "
            "executor, not by hand.",
        )
    if not keys:
        raise WorkerError(
            ExitCode.NO_KEY,
            f"There is no key in {KEY_VARIABLE}: the pod's template must keep the variable that "
            "the executor adds from the seal's Secret.",
        )
    try:
        return unseal(sealed, keys)
    except SealError as error:
        raise WorkerError(
            ExitCode.WRONG_KEY,
            f"The workload cannot be opened: {error} The seal's Secret in this namespace is "
            "another one than the executor used.",
        ) from error


def is_task(data: bytes) -> bool:
    """Whether the workload is to run a task, as far as can be told without Airflow."""
    try:
        return bool(json.loads(data)["type"] == "ExecuteTask")
    except (ValueError, KeyError, TypeError):  # ``read_workload`` says what is wrong with it
        return False


def read_workload(data: bytes) -> Workload:
    """Decode the workload: a task, a callback or a connection test.

    Raises ``WorkerError`` for what this Airflow cannot read.
    """
    from pydantic import ValidationError

    try:
        return _read_task(data) if is_task(data) else _read_other(data)
    except ValidationError as error:
        # Only where and what, never the input: it holds the task's token.
        problems = "; ".join(
            f"{'.'.join(map(str, each['loc']))}: {each['msg']}"
            for each in error.errors(include_input=False, include_url=False)
        )
        raise WorkerError(
            ExitCode.BAD_WORKLOAD,
            f"This Airflow cannot read the workload ({problems}): the worker's image must hold the "
            "same Airflow as the scheduler.",
        ) from None


def _read_task(data: bytes) -> TaskWorkload:
    from podlift.worker.task_workload import TaskWorkload

    return TaskWorkload.model_validate_json(data)


def _read_other(data: bytes) -> Workload:
    from airflow.executors.workloads import All
    from pydantic import TypeAdapter

    workload: Workload = TypeAdapter[Any](All).validate_json(data)
    return workload
