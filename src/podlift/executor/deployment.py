"""What the engine needs to know of Airflow's own configuration."""

from __future__ import annotations

from pathlib import Path

from airflow import __version__ as airflow_version
from airflow.configuration import AIRFLOW_HOME, conf

from podlift.compat import execution_api_server_url
from podlift.executor.archive import LogFolder
from podlift.executor.blueprints import Deployment, Mint
from podlift.settings import Settings

_CLOCK_SKEW = 60.0


def deployment_of(
    settings: Settings, executor_id: str, team_name: str | None, mint: Mint
) -> Deployment:
    """Everything that the pods of one executor have in common."""
    return Deployment(
        settings=settings,
        executor_id=executor_id,
        api_url=settings.execution_api_server_url or execution_api_server_url(team_name),
        airflow_version=airflow_version,
        home=Path(AIRFLOW_HOME),
        team=team_name or "",
        queued_timeout=conf.getfloat("scheduler", "task_queued_timeout"),
        mint=mint,
    )


def token_lifetime(settings: Settings) -> float:
    """Seconds from a pod's creation for which its worker may begin the task.

    Airflow gives a task up when it has been queued for ``task_queued_timeout``, and looks for such
    tasks now and then.
    """
    queued = conf.getfloat("scheduler", "task_queued_timeout")
    interval = conf.getfloat("scheduler", "task_queued_timeout_check_interval")
    return max(queued + interval, settings.pending_timeout) + _CLOCK_SKEW


def log_folder() -> LogFolder:
    """Where Airflow's log handler in this process reads task logs."""
    modes = [
        int(conf.get("logging", f"file_task_handler_new_{kind}_permissions", fallback=default), 8)
        for kind, default in (("folder", "0o775"), ("file", "0o664"))
    ]
    return LogFolder(Path(conf.get_mandatory_value("logging", "base_log_folder")), *modes)
