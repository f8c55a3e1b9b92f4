"""A worker's process as its pod starts it, and the execution API that answers it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from airflow.executors import workloads

from podlift.sealing import KEY_VARIABLE, new_key

KEY = new_key()


class ExecutionApi(ThreadingHTTPServer):
    """As much of Airflow's execution API as a task without inputs asks for."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.states: list[str] = []
        self.results: list[dict[str, Any]] = []
        self.started = threading.Event()
        self.should_retry = False
        self.run_answer = 200

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/execution/"


class _Handler(BaseHTTPRequestHandler):
    server: ExecutionApi

    def do_PATCH(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
        if self.path.endswith("/run"):
            self.server.started.set()
            detail = {"detail": {"reason": "invalid_state", "previous_state": "success"}}
            good = self.server.run_answer == 200
            self._answer(self.server.run_answer, self._context() if good else detail)
        else:
            if "/connection-tests/" in self.path:
                self.server.results.append(body)
            if self.path.endswith("/state"):
                self.server.states.append(body["state"])
            self._answer(204, None)

    do_PUT = do_POST = do_PATCH

    def do_GET(self) -> None:
        if self.path.endswith("/connection"):
            self.server.started.set()
            self._answer(200, {"conn_id": "store", "conn_type": "fs", "extra": '{"path": "/"}'})
            return
        self._answer(404, {"detail": {"reason": "not_found"}})

    def _context(self) -> dict[str, Any]:
        now = datetime.now(UTC).isoformat()
        return {
            "dag_run": {
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
            },
            "max_tries": 1,
            "should_retry": self.server.should_retry,
        }

    def _answer(self, code: int, body: object) -> None:
        data = b"" if body is None else json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        """Keep quiet."""


def workload(task_id: str) -> bytes:
    """A task of the DAG in ``work.py``."""
    ti = workloads.TaskInstanceDTO(
        id=uuid.uuid4(),
        dag_version_id=uuid.uuid4(),
        dag_id="work",
        task_id=task_id,
        run_id="run",
        try_number=1,
        map_index=-1,
        pool_slots=1,
        queue="default",
        priority_weight=1,
    )
    made = workloads.ExecuteTask(
        ti=ti,
        dag_rel_path=Path("work.py"),
        token="the-tasks-token",
        bundle_info=workloads.BundleInfo(name="dags-folder"),
        log_path=f"{task_id}.log",
    )
    return made.model_dump_json().encode()


def start(
    tmp_path: Path, url: str, *, through: Sequence[str] = (), **environment: str
) -> subprocess.Popen[str]:
    """Start the worker with Airflow's home in this folder, and its DAGs in ``dags`` in there.

    ``through`` is a command that becomes the one that is put behind it.
    """
    return subprocess.Popen(
        [*through, sys.executable, "-m", "podlift.worker"],
        env={
            **os.environ,
            "AIRFLOW_HOME": str(tmp_path),
            "AIRFLOW__CORE__DAGS_FOLDER": str(tmp_path / "dags"),
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": url,
            "AIRFLOW__WORKERS__EXECUTION_API_RETRIES": "1",
            KEY_VARIABLE: KEY,
            **environment,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(
    tmp_path: Path, url: str, *, through: Sequence[str] = (), **environment: str
) -> tuple[int, str, str]:
    """Its exit code, standard output and standard error."""
    process = start(tmp_path, url, through=through, **environment)
    out, err = process.communicate(timeout=90)
    return process.returncode, out, err
