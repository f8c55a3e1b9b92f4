"""``python -m podlift.worker`` as a pod runs it, against an execution API."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from airflow.executors import workloads
from airflow.executors.workloads.callback import CallbackDTO
from tests.functional.worker.pod import KEY, ExecutionApi, run, start, workload

from podlift.sealing import KEY_VARIABLE, WORKLOAD_VARIABLE, new_key, seal
from podlift.worker.outcome import ExitCode

pytestmark = pytest.mark.functional

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

    @task
    def watched(ti=None):
        print("errors go to", ti.sentry_integration)

    good(), bad(), unmoved(), watched(), Slow(task_id="slow")

work()
"""


CALLBACKS = """
def tell(text):
    print("called back:", text)

def fail(text):
    raise ValueError(text)
"""


@pytest.fixture(autouse=True)
def dags(tmp_path: Path) -> None:
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "work.py").write_text(DAG)
    (tmp_path / "dags" / "callbacks.py").write_text(CALLBACKS)


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


def test_a_task_is_told_the_executors_sentry_integration(tmp_path: Path, api: ExecutionApi) -> None:
    told = json.loads(workload("watched")) | {"sentry_integration": "errors.to.Sentry"}
    sealed = seal(json.dumps(told).encode(), KEY)
    code, out, err = run(tmp_path, api.url, PODLIFT_WORKLOAD=sealed)
    assert code == 0, (out, err)
    assert "errors go to errors.to.Sentry" in out


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
