"""Running a workload through Airflow's own supervisors."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from podlift.exit_codes import MEMORY_GROWS
from podlift.worker.errors import WorkerError
from podlift.worker.memory import MemoryNotice
from podlift.worker.outcome import FAILED_STATES, ExitCode, exit_code_of
from podlift.worker.stopping import StopNotice

if TYPE_CHECKING:
    import httpx
    from airflow.sdk.api.client import Client

    from podlift.worker.task_workload import TaskWorkload
    from podlift.worker.workload import Workload


def _is_state(request: httpx.Request) -> bool:
    return request.method == "PATCH" and request.url.path.endswith("/state")


def _tells_failure(request: httpx.Request) -> bool:
    return _is_state(request) and json.loads(request.content).get("state") in FAILED_STATES


class StateObserver:
    """Notes the task state that Airflow accepted last.

    It reads the worker's own calls of ``PATCH task-instances/{id}/state``, which is part of the
    versioned execution API; the supervisor's return value does not tell a failed task from a good
    one. https://airflow.apache.org/docs/task-sdk/stable/execution-api.html
    """

    def __init__(self) -> None:
        self.state: str | None = None

    def __call__(self, response: httpx.Response) -> None:
        if response.is_success and _is_state(response.request):
            self.state = json.loads(response.request.content).get("state")


def run_workload(workload: Workload) -> ExitCode:
    """Run the workload to its end, its log going to Airflow's log file and, as JSON, to stdout.

    Raises ``WorkerError`` when Airflow's execution API does not answer or turns the worker away.
    """
    import httpx
    from airflow.sdk.exceptions import TaskAlreadyRunningError

    from podlift import compat
    from podlift.worker.task_workload import TaskWorkload

    # What is on stdout is the same as in the log file: the pod's log is read back from there.
    compat.log_to_stdout()
    server = compat.execution_api_server_url()
    try:
        if isinstance(workload, TaskWorkload):
            return _run_task(workload, server)
        return ExitCode.DONE if compat.supervise_other(workload, server) else ExitCode.FAILED
    except (httpx.HTTPError, TaskAlreadyRunningError) as error:
        code = ExitCode.REFUSED if _is_final(error) else ExitCode.UNREACHABLE
        raise WorkerError(
            code, f"Airflow's execution API at {server} did not let the task run: {error}"
        ) from error


def _is_final(error: Exception) -> bool:
    """Whether Airflow does not want the task to run, so that another pod would hear the same.

    A token that is not taken may have been too old, and another pod gets a fresh one.
    """
    import httpx

    if not isinstance(error, httpx.HTTPError):
        return True
    status = error.response.status_code if isinstance(error, httpx.HTTPStatusError) else 503
    return status < 500 and status not in (401, 403, 408, 429)


def _run_task(workload: TaskWorkload, server: str) -> ExitCode:
    from podlift import compat

    observer, stop = StateObserver(), StopNotice()
    memory = MemoryNotice(os.environ.pop(MEMORY_GROWS, "") == "1")
    with _client(server, workload.token, observer, (stop, memory)) as client:
        code = compat.supervise(workload, client, server)
    return exit_code_of(observer.state, code, stopped=stop.given, out_of_memory=memory.given)


def _client(
    server: str, token: str, observer: StateObserver, notices: Iterable[StopNotice | MemoryNotice]
) -> Client:
    import httpx
    from airflow.sdk.api.client import Client

    from podlift import compat

    class DiscreetClient(Client):
        """Does not tell Airflow of a failure that may be none of the task's."""

        def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
            if _tells_failure(request) and any(notice.given for notice in notices):
                return httpx.Response(204, request=request)
            return super().send(request, **options)

    limits = httpx.Limits(max_keepalive_connections=1, max_connections=10)
    client = compat.client_for(server, DiscreetClient)(base_url=server, limits=limits, token=token)
    hooks = client.event_hooks
    client.event_hooks = {**hooks, "response": [*hooks["response"], observer]}
    return client
