"""Running a workload through Airflow's own supervisors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from podlift.worker.errors import WorkerError
from podlift.worker.outcome import ExitCode, exit_code_of

if TYPE_CHECKING:
    import httpx
    from airflow.executors.workloads import ExecuteTask, ExecutorWorkload
    from airflow.sdk.api.client import Client


class StateObserver:
    """Notes the task state that Airflow accepted last.

    It reads the worker's own calls of ``PATCH task-instances/{id}/state``, which is part of the
    versioned execution API; the supervisor's return value does not tell a failed task from a good
    one. https://airflow.apache.org/docs/task-sdk/stable/execution-api.html
    """

    def __init__(self) -> None:
        self.state: str | None = None

    def __call__(self, response: httpx.Response) -> None:
        request = response.request
        if (
            response.is_success
            and request.method == "PATCH"
            and request.url.path.endswith("/state")
        ):
            self.state = json.loads(request.content).get("state")


def run_workload(workload: ExecutorWorkload) -> ExitCode:
    """Run the workload to its end, its log going to Airflow's log file and, as JSON, to stdout.

    Raises ``WorkerError`` when Airflow's execution API does not answer or turns the worker away.
    """
    import httpx
    from airflow.executors.workloads import ExecuteTask
    from airflow.sdk.exceptions import TaskAlreadyRunningError

    from podlift import compat

    # What is on stdout is the same as in the log file: the pod's log is read back from there.
    compat.log_to_stdout()
    server = compat.execution_api_server_url()
    try:
        if isinstance(workload, ExecuteTask):
            return _run_task(workload, server)
        return ExitCode.DONE if compat.supervise_other(workload, server) else ExitCode.FAILED
    except (httpx.HTTPError, TaskAlreadyRunningError) as error:
        raise WorkerError(
            ExitCode.UNREACHABLE,
            f"Airflow's execution API at {server} did not let the task run: {error}",
        ) from error


def _run_task(workload: ExecuteTask, server: str) -> ExitCode:
    from podlift import compat

    observer = StateObserver()
    with _client(server, workload.token, observer) as client:
        code = compat.supervise(workload, client, server)
    return exit_code_of(observer.state, code)


def _client(server: str, token: str, observer: StateObserver) -> Client:
    import httpx
    from airflow.sdk.api.client import Client

    limits = httpx.Limits(max_keepalive_connections=1, max_connections=10)
    client = Client(base_url=server, limits=limits, token=token)
    hooks = client.event_hooks
    client.event_hooks = {**hooks, "response": [*hooks["response"], observer]}
    return client
