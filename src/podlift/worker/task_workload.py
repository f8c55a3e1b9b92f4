"""A task's workload as its supervisor needs it. Imports Airflow."""

from __future__ import annotations

from pathlib import Path

from airflow.sdk.api.datamodels._generated import BundleInfo, TaskInstance
from pydantic import BaseModel, Field


class TaskWorkload(BaseModel):
    """What ``airflow.executors.workloads.ExecuteTask`` says, less what is for executors only.

    It is made of the Task SDK's models, which the supervisor imports in any case. The scheduler's
    would be a twentieth of what a task waits for.
    """

    ti: TaskInstance
    bundle_info: BundleInfo
    dag_rel_path: Path
    token: str = Field(repr=False)
    log_path: str | None
    sentry_integration: str = ""
