"""The operator as a DAG file sees it."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from airflow.sdk import DAG
from kubernetes import client

from podlift.operators import KubernetesPodOperator

HEAVY = (
    "aiohttp",
    "kubernetes",
    "kubernetes_asyncio",
    "podlift.kube",
    "podlift.runs",
    "podlift.pods.reading",
)


@pytest.mark.parametrize("module", ["podlift.operators", "podlift.operators.pod"])
def test_a_dag_that_imports_the_operator_does_not_pay_for_the_cluster(module: str) -> None:
    code = (
        f"import sys, airflow.sdk; before = set(sys.modules); import {module}; print(*sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name for name in run.stdout.split() if name in HEAVY}
    assert loaded == set()


def test_an_unknown_parameter_is_refused_by_name() -> None:
    with pytest.raises(TypeError, match="no_such_parameter"):
        KubernetesPodOperator(task_id="t", image="i", no_such_parameter=1)


def test_an_unknown_action_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="keep_pod, delete_pod, delete_active_pod, delete_succee"):
        KubernetesPodOperator(task_id="t", image="i", on_finish_action="shred_pod")


def test_templates_are_rendered_in_every_templated_field() -> None:
    with DAG("d", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)):
        operator = KubernetesPodOperator(
            task_id="t",
            image="i:{{ v }}",
            name="n-{{ v }}",
            namespace="{{ v }}",
            cmds=["c", "{{ v }}"],
            arguments=["{{ v }}"],
            env_vars=[client.V1EnvVar(name="A", value="{{ v }}")],
            labels={"l": "{{ v }}"},
        )
    operator.render_template_fields({"v": "x"})  # type: ignore[typeddict-unknown-key]
    rendered = {field: getattr(operator, field) for field in operator.template_fields}
    assert {field: value for field, value in rendered.items() if value is not None} == {
        "image": "i:x",
        "name": "n-x",
        "namespace": "x",
        "cmds": ["c", "x"],
        "arguments": ["x"],
        "env_vars": [{"name": "A", "value": "x"}],
        "labels": {"l": "x"},
        "kubernetes_conn_id": "kubernetes_default",
        "base_container_name": "base",
    }


def test_the_rendered_templates_show_the_whole_pod() -> None:
    operator = KubernetesPodOperator(task_id="t", image="i:{{ v }}", namespace="n")
    assert "manifest" in operator.template_fields
    given = {"dag_id": "d", "task_id": "t", "run_id": "r", "map_index": -1, "try_number": 1}
    context: Any = {"v": "x", "ti": SimpleNamespace(id="an-id", **given)}
    operator.render_template_fields(context)
    assert operator.manifest is not None
    pod = yaml.safe_load(operator.manifest)
    assert pod["metadata"]["labels"]["dag_id"] == "d"
    assert pod["spec"]["containers"][0]["image"] == "i:x"


def test_a_parameter_that_was_replaced_is_refused_with_what_to_write() -> None:
    with pytest.raises(ValueError, match="on_finish_action='keep_pod'"):
        KubernetesPodOperator(task_id="t", image="i", is_delete_operator_pod=False)


def test_the_older_name_of_durable_counts_where_the_newer_is_not_given() -> None:
    def is_durable(**given: bool) -> bool:
        return KubernetesPodOperator(task_id="t", image="i", **given).durable  # type: ignore[arg-type]

    assert is_durable()
    assert not is_durable(reattach_on_restart=False)
    assert is_durable(durable=True, reattach_on_restart=False)


def test_two_templates_are_refused() -> None:
    with pytest.raises(ValueError, match="not both"):
        KubernetesPodOperator(task_id="t", pod_template_file="f", pod_template_dict={"a": 1})


def test_a_dry_run_prints_the_manifest(capsys: pytest.CaptureFixture[str]) -> None:
    operator = KubernetesPodOperator(task_id="dry", image="busybox", cmds=["true"], name="named")
    operator.dry_run()
    pod = yaml.safe_load(capsys.readouterr().out)
    assert pod["metadata"]["name"].startswith("named-")
    assert pod["spec"]["containers"][0]["command"] == ["true"]


def test_a_mapped_task_takes_every_kind_of_value() -> None:
    with DAG("d", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)):
        mapped = KubernetesPodOperator.partial(task_id="t", image="i").expand(
            arguments=[["a"], ["b"]]
        )
    assert mapped.operator_class is KubernetesPodOperator
