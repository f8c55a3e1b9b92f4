"""The plugin by which Airflow's API server shows the logs that Podlift's executor kept.

Every Airflow process loads it, also a task's, so it does nothing and imports nothing elsewhere.
"""

from __future__ import annotations

import sys
from typing import Any

from airflow.plugins_manager import AirflowPlugin


class PodliftPlugin(AirflowPlugin):
    """Puts ``KeptLogs`` in the place of the remote log handler, around the one that is there."""

    name = "podlift"

    @classmethod
    def on_load(cls, *args: Any, **kwargs: Any) -> None:
        """Called once for each process."""
        if "airflow.api_fastapi.app" not in sys.modules:
            return  # only the API server shows logs
        from podlift.compat import remote_task_log, set_remote_task_log
        from podlift.executor.kept_logs import KeptLogs

        handler = remote_task_log()
        if not isinstance(handler, KeptLogs):
            set_remote_task_log(KeptLogs(handler))
