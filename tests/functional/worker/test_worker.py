"""``python -m podlift.worker`` as a pod runs it, against an execution API."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from airflow.executors import workloads
from airflow.executors.workloads.callback import CallbackDTO

from podlift.sealing import KEY_VARIABLE, WORKLOAD_VARIABLE, new_key, seal
from podlift.worker.outcome import ExitCode

pytestmark = pytest.mark.functional

KEY = new_key()
DAG = """
import time
from airflow.sdk import BaseOperator, dag, task

class Slow(BaseOperator):
    stopped = False

    def execute(self, context):
        print("started", flush=True)
        while not self.stopped:
            time.sleep(0.1)
        raise RuntimeError("told to stop")

    def on_kill(self):
        self.stopped = True

@dag(schedule=None)
def work():
    @task
    def good():
        print("hello from the task")

    @task
    def bad():
        raise ValueError("on purpose")

    @task
    def unmoved():
        print("started", flush=True)
        time.sleep(2)

    good(), bad(), unmoved(), Slow(task_id="slow")

work()
"""


CALLBACKS = """
def tell(text):
    print("called back:", text)

def fail(text):
    raise ValueError(text)
"""


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


@pytest.fixture
def api() -> Iterator[ExecutionApi]:
    server = ExecutionApi()
    thread = threading.Thread(target=server.serve_forever, args=[0.05])
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def workload(task_id: str) -> bytes:
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


def callback(function: str) -> bytes:
    made = workloads.ExecuteCallback(
        callback=CallbackDTO(
            id=str(uuid.uuid4()),
            fetch_method=workloads.CallbackFetchMethod.IMPORT_PATH,
            data={"path": f"callbacks.{function}", "kwargs": {"text": "too late"}},
        ),
        dag_rel_path=Path("work.py"),
        token="the-tasks-token",
        bundle_info=workloads.BundleInfo(name="dags-folder"),
        log_path=f"executor_callbacks/work/run/{function}",
    )
    return made.model_dump_json().encode()


def start(tmp_path: Path, url: str, **environment: str) -> subprocess.Popen[str]:
    (tmp_path / "dags").mkdir(exist_ok=True)
    (tmp_path / "dags" / "work.py").write_text(DAG)
    (tmp_path / "dags" / "callbacks.py").write_text(CALLBACKS)
    return subprocess.Popen(
        [sys.executable, "-m", "podlift.worker"],
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


def run(tmp_path: Path, url: str, **environment: str) -> tuple[int, str, str]:
    process = start(tmp_path, url, **environment)
    out, err = process.communicate(timeout=90)
    return process.returncode, out, err


def test_a_task_that_succeeds(tmp_path: Path, api: ExecutionApi) -> None:
    code, out, err = run(tmp_path, api.url, PODLIFT_WORKLOAD=seal(workload("good"), KEY))
    assert code == 0, (out, err)
    assert api.states == ["success"]
    log = (tmp_path / "logs" / "good.log").read_text()
    assert "hello from the task" in log
    # What is kept of a pod's log is read by the same page.
    lines = [json.loads(line) for line in out.splitlines()]
    assert "hello from the task" in [line["event"] for line in lines]
    assert KEY not in out + err + log
    assert "the-tasks-token" not in out + err + log


def test_a_task_that_failed_and_will_be_tried_again(tmp_path: Path, api: ExecutionApi) -> None:
    api.should_retry = True
    code, _, _ = run(tmp_path, api.url, PODLIFT_WORKLOAD=seal(workload("bad"), KEY))
    assert code == ExitCode.FAILED
    assert api.states == ["up_for_retry"]


def test_a_callback_runs_with_the_dags_around_it(tmp_path: Path, api: ExecutionApi) -> None:
    code, out, err = run(tmp_path, api.url, PODLIFT_WORKLOAD=seal(callback("tell"), KEY))
    assert code == 0, (out, err)
    assert "called back: too late" in out
    assert "the-tasks-token" not in out + err


def test_a_callback_that_fails(tmp_path: Path, api: ExecutionApi) -> None:
    code, out, _ = run(tmp_path, api.url, PODLIFT_WORKLOAD=seal(callback("fail"), KEY))
    assert code == ExitCode.FAILED
    assert "too late" in out


@pytest.mark.since_airflow("3.3", "which brought connection tests")
def test_a_connection_is_tested_and_the_result_told_to_airflow(
    tmp_path: Path, api: ExecutionApi
) -> None:
    made = workloads.TestConnection(
        connection_test_id=uuid.uuid4(), connection_id="store", timeout=30, token="the-tasks-token"
    )
    data = made.model_dump_json().encode()
    environment = {"AIRFLOW__CORE__TEST_CONNECTION": "Enabled"}
    code, out, err = run(tmp_path, api.url, PODLIFT_WORKLOAD=seal(data, KEY), **environment)
    assert code == 0, (out, err)
    assert len(api.results) == 1, out
    assert api.results[0]["state"] in ("success", "failed")


def test_a_pod_that_is_deleted_tells_its_task(tmp_path: Path, api: ExecutionApi) -> None:
    process = start(tmp_path, api.url, PODLIFT_WORKLOAD=seal(workload("slow"), KEY))
    assert process.stdout is not None
    assert any("started" in line for line in process.stdout)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    assert "told to stop" in out
    # Whether that costs the task a retry is for those to say who know why the pod was stopped.
    assert process.returncode == ExitCode.STOPPED
    assert api.states == []


def test_a_task_that_ends_well_after_its_pod_was_deleted_is_done(
    tmp_path: Path, api: ExecutionApi
) -> None:
    process = start(tmp_path, api.url, PODLIFT_WORKLOAD=seal(workload("unmoved"), KEY))
    assert process.stdout is not None
    assert any("started" in line for line in process.stdout)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == ExitCode.DONE
    assert api.states == ["success"]


def test_a_task_that_airflow_no_longer_wants_is_not_run(tmp_path: Path, api: ExecutionApi) -> None:
    api.run_answer = 409
    code, _, err = run(tmp_path, api.url, PODLIFT_WORKLOAD=seal(workload("good"), KEY))
    assert code == ExitCode.REFUSED
    assert api.url in err.splitlines()[-1]


def test_a_token_that_is_not_taken_may_have_been_too_old(tmp_path: Path, api: ExecutionApi) -> None:
    api.run_answer = 403
    code, _, err = run(tmp_path, api.url, PODLIFT_WORKLOAD=seal(workload("good"), KEY))
    assert code == ExitCode.UNREACHABLE
    assert "Traceback" not in err


def test_that_airflow_cannot_be_reached_is_said_in_a_sentence(tmp_path: Path) -> None:
    nobody = "http://127.0.0.1:9/execution/"
    code, _, err = run(tmp_path, nobody, PODLIFT_WORKLOAD=seal(workload("good"), KEY))
    assert code == ExitCode.UNREACHABLE
    assert nobody in err.splitlines()[-1]
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("environment", "code"),
    [
        ({}, ExitCode.NO_WORKLOAD),
        ({WORKLOAD_VARIABLE: seal(b"x", KEY), KEY_VARIABLE: ""}, ExitCode.NO_KEY),
        ({WORKLOAD_VARIABLE: seal(b"x", new_key())}, ExitCode.WRONG_KEY),
        ({WORKLOAD_VARIABLE: seal(b"{}", KEY)}, ExitCode.BAD_WORKLOAD),
    ],
)
def test_what_keeps_a_worker_from_its_task_is_one_sentence_and_a_code(
    tmp_path: Path, environment: dict[str, str], code: ExitCode
) -> None:
    ended, out, err = run(tmp_path, "http://127.0.0.1:9/", **environment)
    assert ended == code, err
    assert err.splitlines()[-1].startswith("podlift.worker: ")
    assert "Traceback" not in err
    assert out == ""


def test_nothing_of_airflow_is_imported_before_the_workload_is_open(tmp_path: Path) -> None:
    code = (
        "import sys, os; from podlift.worker.__main__ import main; code = main();"
        "print(code.name, [m for m in sys.modules if m.partition('.')[0] == 'airflow'])"
    )
    environment = {name: value for name, value in os.environ.items() if name != WORKLOAD_VARIABLE}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "NO_WORKLOAD []\n"
