"""From a workload to its pod: what pods of one template have in common is put together once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from tests.unit.executor.made_tasks import task

from podlift.executor.blueprints import Blueprints, Deployment
from podlift.executor.execution import Execution, execution_for
from podlift.executor.seals import Seals
from podlift.pods.building import BuiltPod
from podlift.pods.labels import BUNDLE_VERSION
from podlift.pods.plain import Manifest
from podlift.sealing import new_key, unseal
from podlift.settings import load_settings


class KnownKey(Seals):
    """Has a key without a cluster."""

    def __init__(self) -> None:
        super().__init__(None, "the-seal")  # type: ignore[arg-type]
        self.text = new_key()

    async def key(self, namespace: str) -> str:
        return self.text


def execution(task_id: str, *, version: str | None = None, **config: Any) -> Execution:
    return execution_for(1, task(task_id, version=version, **config), "ns")


@pytest.fixture
def template(tmp_path: Path) -> Path:
    file = tmp_path / "pod.yaml"
    write(file, "first", 1)
    return file


def write(file: Path, image: str, moment: int) -> None:
    file.write_text(f"kind: Pod\nspec: {{containers: [{{name: base, image: {image}}}]}}\n")
    os.utime(file, (moment, moment))


@pytest.fixture
def seals() -> KnownKey:
    return KnownKey()


@pytest.fixture
def blueprints(template: Path, seals: KnownKey) -> Blueprints:
    options = {"pod_template_file": str(template), "namespace": "ns"}
    settings = load_settings(lambda section, name: options.get(name))
    deployment = Deployment(settings, "1-a", "http://api", "3.3.2", mint=lambda *_: "token")
    return Blueprints(deployment, seals)


def base(built: BuiltPod) -> Manifest:
    found: Manifest = built.manifest["spec"]["containers"][0]
    return found


def variables(built: BuiltPod) -> dict[str, str]:
    return {each["name"]: each.get("value", "") for each in base(built)["env"]}


async def test_each_pod_has_its_own_workload_and_nothing_of_the_one_before(
    blueprints: Blueprints, seals: KnownKey
) -> None:
    tasks = [execution(f"t{number}") for number in range(3)]
    pods = [await blueprints.build(each) for each in tasks]
    for each, pod in zip(tasks, pods, strict=True):
        sealed = [value for name, value in variables(pod).items() if "WORKLOAD" in name]
        assert len(sealed) == 1
        assert each.ti_id.encode() in unseal(sealed[0], [seals.text])
        assert pod.manifest["metadata"]["annotations"]["task_id"] == each.whose.task_id
        assert len(base(pod)["env"]) == len(base(pods[0])["env"])


async def test_one_tasks_override_is_not_the_next_ones(blueprints: Blueprints) -> None:
    override = {"spec": {"containers": [{"name": "base", "image": "special"}]}}
    images = [
        base(await blueprints.build(each))["image"]
        for each in (execution("a"), execution("b", pod_override=override), execution("c"))
    ]
    assert images == ["first", "special", "first"]


async def test_the_version_that_the_run_began_with_goes_over_the_templates(
    blueprints: Blueprints, template: Path
) -> None:
    with template.open("a") as file:
        file.write("metadata: {annotations: {podlift.dev/bundle-version: main}}\n")
    found = [
        (await blueprints.build(each)).manifest["metadata"]["annotations"][BUNDLE_VERSION]
        for each in (execution("a"), execution("b", version="4f9c"), execution("c"))
    ]
    assert found == ["main", "4f9c", "main"]


async def test_a_template_that_changes_counts_for_the_next_pod(
    blueprints: Blueprints, template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("podlift.executor.templates._LOOK_AGAIN", 0.0)
    assert base(await blueprints.build(execution("a")))["image"] == "first"
    write(template, "second", 2)
    assert base(await blueprints.build(execution("b")))["image"] == "second"


async def test_each_template_has_its_own_ground(blueprints: Blueprints, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    write(other, "other", 1)
    tasks = [execution("a"), execution("b", pod_template_file=str(other)), execution("c")]
    images = [base(await blueprints.build(each))["image"] for each in tasks]
    assert images == ["first", "other", "first"]
