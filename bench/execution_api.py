"""As much of Airflow's execution API as a task without inputs asks for."""

from __future__ import annotations

import json
import threading
import uuid
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType


class ExecutionApi:
    """Serves it on this machine. Use it as `with ExecutionApi() as api:`."""

    def __enter__(self) -> ExecutionApi:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.05])
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        """What `[core] execution_api_server_url` is set to."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/execution/"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # kept alive, as Airflow's own server does

    def do_PATCH(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.endswith("/run"):
            self._answer(200, _context())
        else:
            self._answer(204, None)

    do_PUT = do_POST = do_PATCH

    def do_GET(self) -> None:
        self._answer(404, {"detail": {"reason": "not_found"}})

    def _answer(self, code: int, body: object) -> None:
        data = b"" if body is None else json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        if code != 204:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        """Keep quiet."""


def _context() -> dict[str, object]:
    now = datetime.now(UTC).isoformat()
    run: dict[str, object] = {
        "dag_id": "work",
        "run_id": "run",
        "logical_date": now,
        "data_interval_start": now,
        "data_interval_end": now,
        "run_after": now,
        "start_date": now,
        "end_date": None,
        "run_type": "manual",
        "state": "running",
        "consumed_asset_events": [],
        "partition_key": None,
    }
    return {"dag_run": run, "max_tries": 1, "should_retry": False}


def task_workload(dag_id: str, task_id: str, file: str) -> str:
    """The workload of a task, as the scheduler hands it to an executor: JSON."""
    ti = {
        "id": str(uuid.uuid4()),
        "dag_version_id": str(uuid.uuid4()),
        "dag_id": dag_id,
        "task_id": task_id,
        "run_id": "run",
        "try_number": 1,
        "map_index": -1,
        "pool_slots": 1,
        "queue": "default",
        "priority_weight": 1,
    }
    workload = {
        "type": "ExecuteTask",
        "ti": ti,
        "dag_rel_path": file,
        "token": "the-tasks-token",
        "bundle_info": {"name": "dags-folder", "version": None},
        "log_path": f"{task_id}.log",
    }
    return json.dumps(workload)
