"""The pod that a task gets: templates, overrides, the deployment's hook, the trace."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from airflow.configuration import AIRFLOW_HOME
from airflow.policies import hookimpl
from airflow.settings import get_policy_plugin_manager

from podlift.executor import templates

if TYPE_CHECKING:
    from tests.functional.executor.conftest import Driver

pytestmark = pytest.mark.functional


def template(script: str) -> str:
    base = {"name": "base", "image": "busybox:1.36", "command": ["sh", "-c", script]}
    return yaml.safe_dump({"spec": {"containers": [base]}})


def test_a_relative_template_is_below_airflows_home_and_read_again_when_it_changes(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(templates, "_LOOK_AGAIN", 0.0)
    folder = Path(AIRFLOW_HOME) / uuid.uuid4().hex
    folder.mkdir()
    path = f"{folder.name}/pod.yaml"
    for moment, word in enumerate(("first", "second")):
        (folder / "pod.yaml").write_text(template(f"echo the {word} template"))
        os.utime(folder / "pod.yaml", (moment, moment))
        task = driver.task(pod_template_file=path)
        driver.queue(task)
        driver.end(task)
        assert f"the {word} template" in driver.kept_log(task)


def test_programs_that_a_task_starts_can_join_its_trace(driver: Driver) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    task = driver.task('echo "trace $TRACEPARENT"')
    task.ti.context_carrier = {"traceparent": trace}
    driver.queue(task)
    driver.end(task)
    assert f"trace {trace}" in driver.kept_log(task)


def test_the_deployments_hook_changes_the_pod_but_not_whose_it_is(driver: Driver) -> None:
    class Policy:
        @staticmethod
        @hookimpl
        def pod_mutation_hook(pod: Any) -> None:
            pod.metadata.name = "another"
            pod.metadata.labels = {"cost-center": "4711"}
            pod.metadata.annotations = None

    get_policy_plugin_manager().register(Policy)
    try:
        task = driver.task("sleep 30")
        driver.queue(task)
        metadata = driver.pod("Running")["metadata"]
    finally:
        get_policy_plugin_manager().unregister(Policy)
    assert metadata["labels"]["cost-center"] == "4711"
    assert metadata["labels"]["task_id"] == task.ti.task_id
    assert metadata["name"] != "another"
    driver.executor.revoke_task(ti=task.ti)  # type: ignore[arg-type]
    driver.no_pods()


def test_a_hook_that_fails_fails_the_task_in_a_sentence(driver: Driver) -> None:
    class Policy:
        @staticmethod
        @hookimpl
        def pod_mutation_hook(pod: Any) -> None:
            raise RuntimeError("no cost center")

    get_policy_plugin_manager().register(Policy)
    try:
        task = driver.task("exit 0")
        driver.queue(task)
        state, info = driver.end(task)
    finally:
        get_policy_plugin_manager().unregister(Policy)
    assert state == "failed"
    assert "pod_mutation_hook failed with RuntimeError: no cost center" in info
