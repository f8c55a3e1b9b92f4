"""The operator as a DAG file sees it."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime

import pytest
from airflow.sdk import DAG
from kubernetes import client

from podlift.operators import KubernetesPodOperator

HEAVY = ("aiohttp", "kubernetes", "kubernetes_asyncio", "podlift.kube", "podlift.pods")


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
    with pytest.raises(ValueError, match="keep_pod, delete_pod, delete_active_pod, delete_succeeded_pod"):
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
    assert [getattr(operator, field) for field in operator.template_fields] == [
        "i:x",
        "n-x",
        "x",
        ["c", "x"],
        ["x"],
        [{"name": "A", "value": "x"}],
        {"l": "x"},
    ]
