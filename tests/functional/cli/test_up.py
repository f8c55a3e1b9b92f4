"""`podlift up`: a real Airflow that stops when it is told to, or when a part of it dies."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = pytest.mark.functional

Run = Callable[..., tuple[int, str, str]]
Start = Callable[..., subprocess.Popen[str]]

HELLO = """
from airflow.sdk import dag, task

@dag(schedule=None, is_paused_upon_creation=False)
def hello():
    @task
    def say():
        print("hello from a pod")
    say()

hello()
"""


@dataclass
class Airflow:
    """What `podlift up` said, and its REST API."""

    process: subprocess.Popen[str]
    said: str = ""
    token: str = field(default="", repr=False)

    def read_until(self, text: str) -> None:
        """Read its output up to a line with this text."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said += line
            if text in line:
                return
        raise AssertionError(self.said + self.process.communicate()[1])

    def named(self, name: str) -> str:
        """A value that it printed under this name."""
        found = re.search(rf"^  {name} +(\S+)$", self.said, re.MULTILINE)
        assert found, self.said
        return found[1]

    def log_in(self) -> None:
        answer = self.call(
            "/auth/token", username=self.named("User"), password=self.named("Password")
        )
        self.token = answer["access_token"]

    def call(self, path: str, **body: Any) -> Any:
        """GET, or POST with a body."""
        request = urllib.request.Request(
            self.named("Airflow") + path,
            data=json.dumps(body).encode() if body else None,
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def end_of_run(self, dag_id: str, run_id: str, seconds: float = 120) -> str:
        """Wait until a run of a DAG has ended."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            state = str(self.call(f"/api/v2/dags/{dag_id}/dagRuns/{run_id}")["state"])
            if state not in ("queued", "running"):
                return state
            time.sleep(0.3)
        raise AssertionError(f"{dag_id} {run_id} did not end")


@pytest.fixture
def dags(tmp_path: Path) -> Path:
    folder = tmp_path / "dags"
    folder.mkdir()
    (folder / "hello.py").write_text(HELLO)
    return folder


def serving(process: subprocess.Popen[str]) -> Airflow:
    """Wait until `podlift up` is ready."""
    airflow = Airflow(process)
    airflow.read_until("Ctrl-C stops Airflow")
    return airflow


def test_a_broken_dag_is_told_with_file_and_line(podlift: Run, home: Path, dags: Path) -> None:
    (dags / "broken.py").write_text("from airflow.sdk import dag\nimport pandaz\n")
    code, _, err = podlift("up", "--dags", str(dags), "--port", "0", home=home)
    assert code == 1
    assert "A DAG file cannot be imported" in err
    assert f"{dags / 'broken.py'}, line 2: ModuleNotFoundError: No module named 'pandaz'" in err


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ({"resources": {"requests": {"cpu": "lots"}}}, "quantities must match"),
        ({"imagee": "a typing error"}, 'unknown field "spec.containers[0].imagee"'),
    ],
)
def test_a_template_that_the_cluster_refuses(
    podlift: Run, home: Path, tmp_path: Path, field: dict[str, object], said: str
) -> None:
    template = tmp_path / "pod.yaml"
    pod = {"kind": "Pod", "spec": {"containers": [{"name": "base", **field}]}}
    template.write_text(yaml.safe_dump(pod))
    code, _, err = podlift("up", "--pod-template", str(template), "--port", "0", home=home)
    assert code == 1
    assert "correct --pod-template" in err
    assert said in err


def test_it_serves_until_a_part_of_it_dies(
    podlift: Run, start: Start, home: Path, dags: Path
) -> None:
    airflow = serving(start("up", "--dags", str(dags), "--port", "0"))

    code, _, err = podlift("up", "--dags", str(dags), "--port", "0", home=home)
    assert code == 1
    assert f"Another podlift (process {airflow.process.pid}) already runs Airflow" in err

    (dags / "later.py").write_text("from airflow.sdk import dag\n1 / 0\n")
    airflow.read_until("later.py, line 2: ZeroDivisionError")

    (scheduler,) = [
        int(folder.name)
        for folder in Path("/proc").glob("[0-9]*")
        if is_child(folder, airflow.process.pid)
        and b"scheduler" in (folder / "cmdline").read_bytes()
    ]
    os.kill(scheduler, signal.SIGKILL)
    _, err = airflow.process.communicate(timeout=60)
    assert airflow.process.returncode == 1
    assert "Airflow's scheduler ended by itself (killed by SIGKILL)" in err


def test_a_cluster_of_a_context_is_used_and_left_alone(
    podlift: Run, start: Start, home: Path, dags: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    code, _, err = podlift("cluster", "up", "--detach", home=elsewhere)
    assert code == 0, err
    try:
        template = tmp_path / "pod.yaml"
        template.write_text(worker_of_this_machine(tmp_path, dags))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        airflow = serving(
            start(
                *("up", "--dags", str(dags), "--port", str(port)),
                *("--context", "podlift-local", "--image", "registry.example/airflow:1"),
                *("--api-url", f"http://127.0.0.1:{port}/", "--pod-template", str(template)),
                KUBECONFIG=str(elsewhere / "cluster" / "kubeconfig"),
            )
        )
        airflow.log_in()
        airflow.call("/api/v2/dags/hello/dagRuns", dag_run_id="r1", logical_date=None)
        assert airflow.end_of_run("hello", "r1") == "success"

        airflow.process.send_signal(signal.SIGINT)
        airflow.process.communicate(timeout=60)
        assert airflow.process.returncode == 0
        code, out, _ = podlift("cluster", "status", home=elsewhere)
        assert code == 0, out
    finally:
        podlift("cluster", "down", home=elsewhere)


def test_a_cluster_that_was_running_before_is_used_and_missed(
    podlift: Run, start: Start, home: Path, dags: Path
) -> None:
    code, _, err = podlift("cluster", "up", "--detach", home=home)
    assert code == 0, err
    try:
        airflow = Airflow(start("up", "--dags", str(dags), "--port", "0"))
        airflow.read_until("the cluster is ready")
    finally:
        podlift("cluster", "down", home=home)
    _, err = airflow.process.communicate(timeout=60)
    assert airflow.process.returncode == 1
    assert "was stopped: start it again" in err


def test_a_context_that_does_not_exist(podlift: Run, home: Path) -> None:
    code, _, err = podlift(
        *("up", "--port", "0", "--context", "nowhere"),
        *("--image", "a:1", "--api-url", "http://127.0.0.1:8080"),
        home=home,
    )
    assert code == 1
    assert "The cluster of context nowhere cannot be used" in err
    assert len(err.splitlines()) == 1


def worker_of_this_machine(folder: Path, dags: Path) -> str:
    """What an image would bring: a Python with Podlift, an Airflow home, and the DAGs."""
    (folder / "image").mkdir()
    environment = {"AIRFLOW_HOME": folder / "image", "AIRFLOW__CORE__DAGS_FOLDER": dags}
    return textwrap.dedent(
        f"""\
        kind: Pod
        spec:
          containers:
          - name: base
            command: [{sys.executable}, -m, podlift.worker]
            env: {json.dumps([{"name": n, "value": str(v)} for n, v in environment.items()])}
        """
    )


def is_child(folder: Path, parent: int) -> bool:
    try:
        return int((folder / "stat").read_text().rpartition(")")[2].split()[1]) == parent
    except OSError:
        return False
