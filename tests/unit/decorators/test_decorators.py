"""``@task.kubernetes`` and ``@task.kubernetes_cmd`` as a DAG file sees them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from airflow.sdk import DAG, task

from podlift.decorators.kubernetes import FunctionInPod
from podlift.decorators.kubernetes_cmd import CommandInPod
from podlift.operators.errors import FunctionNotSent, PodNotCreated
from podlift.pods.labels import Identity

WHO = Identity(dag_id="d", task_id="t", run_id="r", ti_id="i")
CONTEXT: Any = {
    "ti": SimpleNamespace(dag_id="d", task_id="t", run_id="r", id="i", try_number=1, map_index=-1),
    "ds": "2026-11-22",
}


@pytest.fixture(autouse=True)
def dag() -> Iterator[DAG]:
    with DAG("d", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
        yield dag


def operator_of(called: Any) -> Any:
    return called.operator


def container(operator: FunctionInPod) -> dict[str, Any]:
    manifest = operator.build(WHO, "default")
    return cast(dict[str, Any], manifest["spec"]["containers"][0])


def test_airflow_knows_the_decorator_and_makes_our_operator_of_it() -> None:
    @task.kubernetes(image="an-image", namespace="a-namespace")
    def add(a: int, b: int) -> int:
        return a + b

    operator = operator_of(add(1, b=2))
    assert isinstance(operator, FunctionInPod)
    assert (operator.task_id, operator.namespace) == ("add", "a-namespace")
    base = container(operator)
    assert base["image"] == "an-image"
    assert base["command"][:2] == ["python3", "-c"]
    assert [each["name"] for each in base["env"]] == ["PODLIFT_FUNCTION_0"]


def test_a_function_hands_its_result_over_unless_told_otherwise() -> None:
    @task.kubernetes
    def f() -> None: ...

    @task.kubernetes(do_xcom_push=False)
    def g() -> None: ...

    assert operator_of(f()).do_xcom_push is True
    assert operator_of(g()).do_xcom_push is False


def test_the_image_is_the_workers_python_unless_a_template_has_one() -> None:
    @task.kubernetes
    def f() -> None: ...

    pod = {"spec": {"containers": [{"name": "base", "image": "of-the-template"}]}}

    @task.kubernetes(pod_template_dict=pod)
    def g() -> None: ...

    assert container(operator_of(f()))["image"] == "python:{}.{}".format(*sys.version_info[:2])
    assert container(operator_of(g()))["image"] == "of-the-template"


def test_a_dict_by_annotation_becomes_several_results() -> None:
    @task.kubernetes
    def f() -> dict[str, int]:
        return {"a": 1}

    assert operator_of(f()).multiple_outputs is True


def test_functions_can_be_mapped() -> None:
    @task.kubernetes(image="i")
    def f(a: int, b: int) -> int:
        return a + b

    mapped = operator_of(f.partial(a=1).expand(b=[1, 2]))
    assert mapped.operator_class is FunctionInPod
    unmapped = mapped.unmap({"op_kwargs": {"a": 1, "b": 2}})
    assert unmapped.op_kwargs == {"a": 1, "b": 2}


@pytest.mark.parametrize("decorator", [task.kubernetes, task.kubernetes_cmd])
@pytest.mark.parametrize("name", ["cmds", "arguments"])
def test_commands_are_refused(decorator: Callable[..., Any], name: str) -> None:
    def f() -> None: ...

    with pytest.raises(ValueError, match=f"takes no {name}: the function says"):
        decorator(image="i", **{name: ["x"]})(f)()


def test_an_unknown_serializer_is_refused() -> None:
    @task.kubernetes(serializer="yaml")
    def f() -> None: ...

    with pytest.raises(ValueError, match="pickle, dill, cloudpickle"):
        f()


def test_what_is_plain_in_the_context_comes_by_the_names_of_parameters() -> None:
    @task.kubernetes
    def f(a: int, ds: str | None = None, ti: Any = None) -> None: ...

    operator = operator_of(f(1))
    operator._context = CONTEXT
    assert operator._from_context() == {"ds": "2026-11-22"}


def test_what_is_airflows_own_does_not_travel() -> None:
    @task.kubernetes
    def f(ti: Any) -> None: ...

    with pytest.raises(FunctionNotSent, match=r"f asks for ti, which is Airflow's own .* run_id"):
        operator_of(f()).build(WHO, "default")  # type: ignore[call-arg]


def test_a_function_that_cannot_travel_is_told_in_the_rendered_manifest() -> None:
    @task.kubernetes
    def f() -> str:
        return str(WHO)

    operator = operator_of(f())
    operator.render_template_fields(CONTEXT)
    assert operator.manifest.startswith("# Function f uses WHO, which it does not define itself")


def test_a_command_is_what_its_function_returns_rendered() -> None:
    @task.kubernetes_cmd(image="i")
    def f(word: str, ds: str | None = None) -> list[str]:
        return ["echo", word, str(ds), "{{ ds }}"]

    operator = operator_of(f("a"))
    assert isinstance(operator, CommandInPod)
    assert operator.do_xcom_push is False
    assert operator._words(CONTEXT) == ["echo", "a", "2026-11-22", "{{ ds }}"]


@pytest.mark.parametrize(
    ("returned", "sentence"),
    [("ls", "list of strings.*'ls'"), ([1], "list of strings"), ([], "nothing to run")],
)
def test_what_is_no_command_is_refused(returned: Any, sentence: str) -> None:
    @task.kubernetes_cmd(image="i")
    def f() -> Any:
        return returned

    with pytest.raises(PodNotCreated, match=sentence):
        operator_of(f())._words(CONTEXT)
