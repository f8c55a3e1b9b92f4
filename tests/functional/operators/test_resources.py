"""Objects described in YAML are created, applied and deleted."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.bases.operator import ExecutorSafeguard

from podlift.operators.errors import ClusterNotReached, ResourceFailed
from podlift.operators.resource import (
    KubernetesApplyResourceOperator,
    KubernetesCreateResourceOperator,
    KubernetesDeleteResourceOperator,
)

from .conftest import Api, TaskLog

pytestmark = pytest.mark.functional

Run = Callable[..., Any]

TWO = """
apiVersion: v1
kind: ConfigMap
metadata: {name: first}
data: {day: 2026-11-22}
---
# nothing here
---
apiVersion: batch/v1
kind: Job
metadata: {name: second}
spec:
  suspend: true
  template:
    spec:
      restartPolicy: Never
      containers: [{name: base, image: "busybox:1.36"}]
"""


@pytest.fixture
def run(cluster: Api, namespace: str, log: TaskLog, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Executes an operator of the class given, with the parameters given."""
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))

    def run(kind: Any, yaml_conf: str | None = None, **parameters: Any) -> Any:
        given = {"task_id": "a_task", "namespace": namespace, "yaml_conf": yaml_conf}
        operator = kind(**given | parameters)
        ExecutorSafeguard.tracker.set(operator)
        return operator.execute({})

    return run


@pytest.fixture
def config_map(cluster: Api, namespace: str) -> Callable[[str], Any]:
    """Asks the cluster for the data of a ConfigMap; None where there is none."""

    def data(name: str) -> Any:
        path = f"/api/v1/namespaces/{namespace}/configmaps/{name}"
        status, body = cluster.request("GET", path)
        return body["data"] if status == 200 else None

    return data


def described(name: str, **data: str) -> str:
    lines = "".join(f'\n  {key}: "{value}"' for key, value in data.items())
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:{lines}\n"


def test_several_documents_of_several_kinds(
    run: Run, log: TaskLog, namespace: str, config_map: Callable[[str], Any]
) -> None:
    text = TWO.replace("2026-11-22", '"2026-11-22"')
    made = run(KubernetesCreateResourceOperator, text)
    assert [(each["kind"], each["name"], each["namespace"]) for each in made] == [
        ("ConfigMap", "first", namespace),
        ("Job", "second", namespace),
    ]
    assert config_map("first") == {"day": "2026-11-22"}
    assert f"Job {namespace}/second is created." in log.lines
    run(KubernetesDeleteResourceOperator, text)
    assert config_map("first") is None
    assert log.lines.index(f"Job {namespace}/second is deleted.") < log.lines.index(
        f"ConfigMap {namespace}/first is deleted."
    )


def test_a_file_and_a_generated_name(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "objects.yaml"
    path.write_text(described("x").replace("name:", "generateName:"))
    [made] = run(KubernetesCreateResourceOperator, yaml_conf_file=str(path))
    assert made["name"].startswith("x")
    assert len(made["name"]) > 1


def test_objects_outside_of_namespaces(run: Run, namespace: str, cluster: Api) -> None:
    name = f"{namespace}-more"
    text = f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}"
    [made] = run(KubernetesCreateResourceOperator, text)
    assert "namespace" not in made
    run(KubernetesDeleteResourceOperator, text)


def test_what_failed_and_what_was_done_before_it_is_told(
    run: Run, namespace: str, config_map: Callable[[str], Any]
) -> None:
    bad = described("bad").replace("\ndata:", "\ndata: {a: [1]}")
    with pytest.raises(ResourceFailed) as failed:
        run(KubernetesCreateResourceOperator, described("good", a="1") + "---\n" + bad)
    told = str(failed.value)
    assert told.startswith(f"ConfigMap {namespace}/bad was not created: ")
    assert re.search(r"\bdata\b", told)
    assert told.endswith(f"Before it, created: ConfigMap {namespace}/good.")
    assert config_map("good") == {"a": "1"}


def test_a_field_that_does_not_exist_is_refused_by_name(run: Run) -> None:
    with pytest.raises(ResourceFailed, match="dta"):
        run(KubernetesCreateResourceOperator, described("a").replace("\ndata:", "\ndta: {}"))


def test_what_is_there_already_is_not_created_again(run: Run) -> None:
    run(KubernetesCreateResourceOperator, described("one"))
    with pytest.raises(ResourceFailed, match=r"already exists.* Apply it instead"):
        run(KubernetesCreateResourceOperator, described("one"))


def test_a_kind_that_the_cluster_does_not_have(run: Run) -> None:
    unknown = "apiVersion: batch/v1\nkind: Jbo\nmetadata: {name: x}"
    with pytest.raises(ResourceFailed, match=r"no kind 'Jbo' .* the kinds there are .*Job"):
        run(KubernetesCreateResourceOperator, unknown)
    foreign = "apiVersion: nobody.example/v1\nkind: Thing\nmetadata: {name: x}"
    with pytest.raises(ResourceFailed, match="has no kinds at all"):
        run(KubernetesCreateResourceOperator, foreign)


def test_apply_makes_changes_and_takes_away(run: Run, config_map: Callable[[str], Any]) -> None:
    apply = KubernetesApplyResourceOperator
    run(apply, described("one", a="1", b="1"))
    run(apply, described("one", a="2"))
    assert config_map("one") == {"a": "2"}
    run(apply, described("one", c="3"), field_manager="another")
    assert config_map("one") == {"a": "2", "c": "3"}


def test_a_field_of_somebody_else_is_taken_by_force_alone(
    run: Run, config_map: Callable[[str], Any]
) -> None:
    apply = KubernetesApplyResourceOperator
    run(apply, described("one", a="1"), field_manager="another")
    with pytest.raises(ResourceFailed, match=r'"another".*\.data\.a.* With force=True'):
        run(apply, described("one", a="2"))
    run(apply, described("one", a="2"), force=True)
    assert config_map("one") == {"a": "2"}


def test_what_is_gone_is_deleted_without_a_word_of_failure(
    run: Run, log: TaskLog, namespace: str
) -> None:
    run(KubernetesDeleteResourceOperator, described("nobody"))
    log.wait_for(f"ConfigMap {namespace}/nobody was not there.", timeout=0)


@pytest.mark.real_only("needs custom resources")
def test_a_definition_and_an_object_of_it(run: Run, namespace: str) -> None:
    group = f"{namespace}.example.com"
    text = f"""
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: things.{group}}}
spec:
  group: {group}
  scope: Namespaced
  names: {{plural: things, kind: Thing}}
  versions:
    - name: v1
      served: true
      storage: true
      schema: {{openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}
---
apiVersion: {group}/v1
kind: Thing
metadata: {{name: one}}
size: 3
"""
    made = run(KubernetesCreateResourceOperator, text)
    assert [each["kind"] for each in made] == ["CustomResourceDefinition", "Thing"]
    run(KubernetesDeleteResourceOperator, text)


def test_no_way_to_a_cluster_is_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "/no/such/file")
    with pytest.raises(ClusterNotReached, match="no way to the cluster"):
        run(KubernetesCreateResourceOperator, described("one"))
