"""Functions of a DAG, run in pods."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import DAG, task
from airflow.sdk.bases.operator import ExecutorSafeguard
from tests.functional.operators.conftest import Api, TaskInstance, TaskLog, log

from podlift.operators.errors import PodFailed

if TYPE_CHECKING:
    from tests.machine import Machine

pytestmark = pytest.mark.functional

__all__ = ["log"]


@pytest.fixture(autouse=True)
def around(cluster: Api, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    with DAG("d", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)):
        yield


Decorator = Callable[[Callable[..., Any]], Any]
InPod = Callable[..., Decorator]


@pytest.fixture
def in_pod(machine: Machine, namespace: str) -> InPod:
    """``@task.kubernetes`` for pods that have this machine's Python."""

    def in_pod(**parameters: Any) -> Decorator:
        pod = machine.pod("replaced")
        decorator: Decorator = task.kubernetes(
            pod_template_dict=pod, python=sys.executable, namespace=namespace, **parameters
        )
        return decorator

    return in_pod


def run(called: Any) -> Any:
    """Execute the task as Airflow's task runner does."""
    operator = called.operator
    context: Any = {"ti": TaskInstance(operator.task_id), "ds": "2026-11-22"}
    operator.render_template_fields(context)
    ExecutorSafeguard.tracker.set(operator)
    return operator.execute(context)


def test_a_function_runs_in_its_pod_and_its_result_comes_back(in_pod: InPod, log: TaskLog) -> None:
    @in_pod(env_vars={"GREETING": "hello"})
    def greet(whom: str, *, ds: str | None = None) -> dict[str, str]:
        import os

        print("greeting", whom)
        return {"text": f"{os.environ['GREETING']}, {whom}", "ds": str(ds)}

    result = run(greet("world of {{ ds }}"))
    assert result["text"] == "hello, world of 2026-11-22"
    assert result["ds"] == "2026-11-22"
    assert "greeting world of 2026-11-22" in log.lines


def test_each_of_a_mapped_functions_tasks_has_a_pod_of_its_own(in_pod: InPod, log: TaskLog) -> None:
    @in_pod(do_xcom_push=True)
    def power(base: int, exponent: int) -> int:
        print(base, "to the", exponent)
        result: int = base**exponent
        return result

    mapped = power.partial(base=3).expand(exponent=[2, 4]).operator
    for index, result in enumerate([9, 81]):
        context: Any = {"ti": TaskInstance("power", map_index=index, run_id="r")}
        exponent = mapped.op_kwargs_expand_input.value["exponent"][index]
        one = mapped.unmap({"op_kwargs": {"base": 3, "exponent": exponent}})
        one.render_template_fields(context)
        ExecutorSafeguard.tracker.set(one)
        assert one.execute(context) == result
        assert f"3 to the {exponent}" in log.lines


def test_arguments_travel_with_dill(in_pod: InPod) -> None:
    @in_pod(use_dill=True)
    def called(function: Callable[[int], int]) -> int:
        return function(21)

    names: dict[str, Any] = {}
    exec("def twice(n): return n * 2", names)
    assert run(called(names["twice"])) == 42


def test_large_arguments_and_results_come_through(in_pod: InPod) -> None:
    @in_pod()
    def back(text: str) -> str:
        return text + text

    import secrets

    text = secrets.token_hex(300_000)
    assert run(back(text)) == text + text


def test_what_a_function_raises_fails_the_task_and_is_in_its_log(
    in_pod: InPod, log: TaskLog
) -> None:
    @in_pod()
    def wrong() -> None:
        raise ValueError("wrong on purpose")

    with pytest.raises(PodFailed, match="exit code 1"):
        run(wrong())
    assert "ValueError: wrong on purpose" in log.lines


def test_a_command_of_a_function(namespace: str, log: TaskLog) -> None:
    @task.kubernetes_cmd(image="busybox:1.36", namespace=namespace)
    def command(word: str) -> list[str]:
        return ["sh", "-c", f"echo {word} of {{{{ ds }}}}"]

    assert run(command("words")) is None
    assert "words of 2026-11-22" in log.lines


@pytest.mark.local_only("is about what an image of the machine's own would be")
def test_without_an_image_it_is_the_workers_python(namespace: str) -> None:
    @task.kubernetes(namespace=namespace)
    def nothing() -> int:
        return 3

    assert run(nothing()) == 3
