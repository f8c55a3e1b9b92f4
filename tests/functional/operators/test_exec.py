"""Commands in pods that run already."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from airflow.sdk.bases.operator import ExecutorSafeguard

from podlift.operators.errors import CommandFailed, TaskStopped
from podlift.operators.exec import KubernetesPodExecOperator

from .conftest import Api, TaskLog

pytestmark = pytest.mark.functional

Make = Callable[..., KubernetesPodExecOperator]


def _container(name: str) -> dict[str, Any]:
    script = "trap 'exit 0' TERM; sleep 3600 & wait"
    variable = {"name": "WHO", "value": name}
    return {
        "name": name,
        "image": "busybox:1.36",
        "command": ["sh", "-c", script],
        "env": [variable],
    }


@pytest.fixture
def pod(cluster: Api, namespace: str) -> str:
    """A pod with the containers ``first`` and ``second``, running."""
    path = f"/api/v1/namespaces/{namespace}/pods"
    spec = {
        "containers": [_container("first"), _container("second")],
        "terminationGracePeriodSeconds": 0,
    }
    metadata = {"name": "target", "labels": {"app": "target"}}
    status, answer = cluster.request("POST", path, {"metadata": metadata, "spec": spec})
    assert status == 201, answer
    end = time.monotonic() + 60
    while cluster.request("GET", f"{path}/target")[1]["status"]["phase"] != "Running":
        assert time.monotonic() < end
        time.sleep(0.05)
    return "target"


@pytest.fixture
def make(cluster: Api, namespace: str, log: TaskLog, monkeypatch: pytest.MonkeyPatch) -> Make:
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))

    def make(shell: str = "true", **parameters: Any) -> KubernetesPodExecOperator:
        given = {"command": ["sh", "-c", shell], "namespace": namespace, "task_id": "a_task"}
        if "label_selector" not in parameters:
            given["pod_name"] = "target"
        return KubernetesPodExecOperator(**given | parameters)

    return make


def run(operator: KubernetesPodExecOperator) -> Any:
    ExecutorSafeguard.tracker.set(operator)
    return operator.execute({})


def test_output_is_told_by_its_stream_and_is_the_result_if_wanted(
    pod: str, make: Make, log: TaskLog
) -> None:
    shell = "echo to the log of $WHO; echo beside >&2; printf 'no newline'"
    assert run(make(shell, do_xcom_push=True)) == "to the log of first\nno newline"
    assert "[stdout] to the log of first" in log.lines
    assert "[stderr] beside" in log.lines
    assert "[stdout] no newline" in log.lines
    assert run(make("echo unwanted")) is None


def test_a_container_by_name_and_a_pod_by_its_labels(pod: str, make: Make) -> None:
    named = make("echo $WHO", container_name="second", label_selector="app=target")
    named.do_xcom_push = True
    assert run(named) == "second\n"


def test_input_is_given(pod: str, make: Make) -> None:
    text = "a line\n" * 50_000
    counting = make("wc -c", stdin=text, do_xcom_push=True)
    assert run(counting).strip() == str(len(text))


def test_a_bad_end_fails_the_task_with_the_exit_code(pod: str, make: Make) -> None:
    with pytest.raises(CommandFailed, match="exit code 3") as failed:
        run(make("exit 3"))
    assert failed.value.exit_code == 3


def test_a_program_that_is_not_there_is_told(pod: str, make: Make) -> None:
    with pytest.raises(CommandFailed, match="no-such-program"):
        run(make(command=["no-such-program"]))


def test_a_result_that_is_too_large_is_refused_and_not_cut(pod: str, make: Make) -> None:
    with pytest.raises(CommandFailed, match="more than the 10 bytes of max_xcom_output_size"):
        run(make("echo 0123456789", do_xcom_push=True, max_xcom_output_size=10))
    fits = make("printf 0123456789", do_xcom_push=True, max_xcom_output_size=10)
    assert run(fits) == "0123456789"


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"pod_name": "nobody"}, "nobody cannot be read: .*not found"),
        ({"label_selector": "app=nobody"}, "there are: none"),
        ({"container_name": "third"}, "no container 'third', but first, second"),
    ],
)
def test_what_is_not_there_is_told(
    pod: str, make: Make, parameters: dict[str, str], sentence: str
) -> None:
    with pytest.raises(CommandFailed, match=sentence):
        run(make(**parameters))


def test_a_task_that_is_stopped_is_no_success(pod: str, make: Make, log: TaskLog) -> None:
    waiting = make("echo begun; sleep 30")
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run, waiting)
        log.wait_for("[stdout] begun")
        waiting.on_kill()
        with pytest.raises(TaskStopped, match="may go on in the container"):
            running.result(timeout=10)
