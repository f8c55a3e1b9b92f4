"""Which executor a task has, where Airflow has several and serves several teams.

In the API server's process, which runs none of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.exceptions import UnknownExecutorException
from airflow.executors.executor_loader import ExecutorLoader

from podlift.compat import team_of_dag

if TYPE_CHECKING:
    from airflow.executors.executor_utils import ExecutorName


def executor_of(ti: Any) -> ExecutorName:
    """The executor that the scheduler gives the task to: its team's, or one that all share.

    Airflow's own look-up for logs asks for no team. Raises ``UnknownExecutorException``.
    """
    team = team_of_dag(ti.dag_id)
    if team is not None:
        try:
            return _found(ti.executor, team)
        except (UnknownExecutorException, IndexError):  # the team has no such executor, or none
            pass
    return _found(ti.executor, None)


def team_served(ti: Any) -> str | None:
    """The team whose executor the task has; None for an executor that all teams share."""
    return executor_of(ti).team_name if team_of_dag(ti.dag_id) is not None else None


def _found(name: str | None, team: str | None) -> ExecutorName:
    if name:
        return ExecutorLoader.lookup_executor_name_by_str(name, team_name=team)
    return ExecutorLoader.get_default_executor_name(team_name=team)
