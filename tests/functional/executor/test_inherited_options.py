"""Options of the standard executor that mean the same here."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from airflow.exceptions import AirflowConfigException

from podlift.kube.errors import ConfigurationError

if TYPE_CHECKING:
    from tests.functional.conftest import Cluster
    from tests.functional.executor.conftest import MakeDriver

pytestmark = pytest.mark.functional


def test_a_reason_that_is_fatal_fails_a_pending_pod_at_once(make_driver: MakeDriver) -> None:
    driver = make_driver(
        worker_pod_pending_fatal_container_state_reasons="CreateContainerConfigError"
    )
    missing = {"secretKeyRef": {"name": "nowhere", "key": "k"}}
    container = {"name": "base", "env": [{"name": "A", "valueFrom": missing}]}
    task = driver.task(override={"spec": {"containers": [container]}})
    driver.queue(task)
    state, info = driver.end(task)
    assert state == "failed"
    assert "nowhere" in info


def test_the_grace_period_of_deletions(make_driver: MakeDriver) -> None:
    driver = make_driver(delete_option_kwargs=json.dumps({"grace_period_seconds": 1}))
    command = ["sh", "-c", "trap '' TERM; while true; do sleep 0.1; done"]
    task = driver.task(
        override={
            "spec": {
                "terminationGracePeriodSeconds": 600,
                "containers": [{"name": "base", "command": command}],
            }
        }
    )
    driver.queue(task)
    driver.pod("Running")
    began = time.monotonic()
    driver.executor.revoke_task(ti=task.ti)  # type: ignore[arg-type]
    driver.no_pods()
    assert time.monotonic() - began < 15


@pytest.fixture
def distrustful(cluster: Cluster, tmp_path: Path) -> Path:
    """A kubeconfig that does not name the cluster's authority."""
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    for entry in config["clusters"]:
        entry["cluster"].pop("certificate-authority-data", None)
        entry["cluster"].pop("certificate-authority", None)
    path = tmp_path / "distrustful"
    path.write_text(yaml.safe_dump(config))
    return path


def test_the_authority_may_come_from_a_file(
    make_driver: MakeDriver, cluster: Cluster, distrustful: Path
) -> None:
    driver = make_driver(config_file=distrustful, ssl_ca_cert=cluster.ca_certificate)
    task = driver.task("exit 0")
    driver.queue(task)
    assert driver.end(task) == ("success", None)


def test_the_certificate_may_go_unchecked(make_driver: MakeDriver, distrustful: Path) -> None:
    driver = make_driver(config_file=distrustful, verify_ssl=False)
    task = driver.task("exit 0")
    driver.queue(task)
    assert driver.end(task) == ("success", None)


def test_an_authority_that_is_not_there_stops_the_start_in_a_sentence(
    make_driver: MakeDriver,
) -> None:
    with pytest.raises(AirflowConfigException, match=r"ssl_ca_cert .*nowhere") as caught:
        make_driver(ssl_ca_cert="/nowhere/ca.pem")
    assert isinstance(caught.value.__cause__, ConfigurationError)


def test_what_has_no_effect_is_in_the_log_of_the_start(
    make_driver: MakeDriver, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    section = "AIRFLOW__KUBERNETES_EXECUTOR__"
    monkeypatch.setenv(f"{section}WORKER_PODS_CREATION_BATCH_SIZE", "16")
    monkeypatch.setenv(f"{section}POD_LAUNCH_FAILURE_RETRIES", "2")
    driver = make_driver()
    assert driver.executor.settings.infrastructure_retries == 2
    said = capfd.readouterr().out
    assert "worker_pods_creation_batch_size has no effect" in said
    assert "pod_launch_failure_retries is translated" in said
