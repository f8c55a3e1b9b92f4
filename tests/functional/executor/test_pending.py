"""Tasks whose pod does not start: they wait as long as that may help, and are told why."""

from __future__ import annotations

import base64
import random
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.functional.executor.test_requests import CountingServer

from podlift.executor import control, policies
from podlift.sealing import from_variables, unseal

if TYPE_CHECKING:
    from pathlib import Path

    from tests.functional.conftest import Cluster
    from tests.functional.executor.conftest import Driver, MakeDriver

pytestmark = pytest.mark.functional

NOWHERE = {"spec": {"nodeSelector": {"podlift.dev/no-such": "node"}}}


def with_volume(source: dict[str, Any]) -> dict[str, Any]:
    mount = {"name": "data", "mountPath": "/data"}
    return {
        "spec": {
            "containers": [{"name": "base", "volumeMounts": [mount]}],
            "volumes": [{"name": "data", **source}],
        }
    }


def seal_key(driver: Driver) -> str:
    path = f"/api/v1/namespaces/{driver.namespace}/secrets/podlift-seal"
    return base64.b64decode(driver.cluster.request("GET", path)[1]["data"]["key"]).decode()


@pytest.fixture
def looks_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The executor looks at the events of pods that pend for less than a second."""
    policy_of = policies.policy_of
    monkeypatch.setattr(
        control,
        "policy_of",
        lambda settings: replace(policy_of(settings), look_after=0.3, look_every=0.3),
    )


@pytest.mark.usefixtures("looks_soon")
def test_what_only_the_events_know_is_told_and_fails_the_task_in_the_end(
    make_driver: MakeDriver,
) -> None:
    driver = make_driver(pending_failure_timeout=1)
    task = driver.task(override=with_volume({"configMap": {"name": "no-such-map"}}))
    driver.queue(task)
    state, info = driver.end(task)
    assert state == "failed"
    assert "no-such-map" in info
    assert any("no-such-map" in told for told in driver.told())
    driver.no_pods()


@pytest.mark.usefixtures("looks_soon")
def test_many_pods_that_do_not_start_share_a_list_of_the_events(
    cluster: Cluster, make_driver: MakeDriver, tmp_path: Path
) -> None:
    with CountingServer(cluster, tmp_path / "counting") as server:
        driver = make_driver(config_file=server.kubeconfig)
        override = with_volume({"configMap": {"name": "no-such-map"}})
        tasks = [driver.task(override=override) for _ in range(12)]
        began = time.monotonic()
        driver.queue(*tasks)
        driver.until(lambda: sum("no-such-map" in told for told in driver.told()) == len(tasks))
        seconds = time.monotonic() - began
        assert server.counts["GET events"] <= 1 + seconds  # a second's pause after each
        assert server.most_at_once["GET events"] == 1


def test_a_task_for_which_there_is_no_room_fails_after_the_time_that_was_set(
    make_driver: MakeDriver,
) -> None:
    driver = make_driver(pending_timeout=2)
    task = driver.task(override=NOWHERE)
    driver.queue(task)
    state, info = driver.end(task)
    assert state == "failed"
    assert "No node takes the pod" in info
    driver.no_pods()
    assert driver.executor.running == set()


def test_without_such_a_time_it_waits(driver: Driver) -> None:
    task = driver.task(override=NOWHERE)
    driver.queue(task)
    driver.until(lambda: any("No node takes the pod" in told for told in driver.told()))
    assert driver.ends(task) == []
    assert len(driver.told()) == 1


def test_a_quota_that_stays_used_up_fails_a_task_after_the_time_that_was_set(
    make_driver: MakeDriver,
) -> None:
    driver = make_driver(pending_timeout=2)
    quota = {"metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
    path = f"/api/v1/namespaces/{driver.namespace}/resourcequotas"
    assert driver.cluster.request("POST", path, quota)[0] == 201
    task = driver.task("exit 0")
    driver.queue(task)
    state, info = driver.end(task)
    assert state == "failed"
    assert "exceeded quota: none" in info
    assert (
        sum("exceeded quota" in told for told in driver.told()) == 2
    )  # once waiting, once at last


def test_while_it_may_wait_airflow_does_not_count_it_as_stuck(
    make_driver: MakeDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT", "1")
    driver = make_driver(pending_timeout=60)
    task = driver.task(override=NOWHERE)
    driver.queue(task)
    ti_id = str(task.ti.id)
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    driver.database.set(ti_id, queued_dttm=long_ago)
    driver.until(lambda: driver.database.row(ti_id).queued_dttm > long_ago)


def test_a_task_that_airflow_takes_back_because_it_waits_and_queues_again_has_one_pod(
    driver: Driver,
) -> None:
    task = driver.task(override=NOWHERE)
    driver.queue(task)
    driver.pod("Pending")
    driver.executor.revoke_task(ti=task.ti)  # type: ignore[arg-type]
    driver.queue(task)

    def second() -> bool:
        pods = driver.pods()
        assert len([pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]) <= 1
        names = [pod["metadata"]["name"] for pod in pods]
        return len(names) == 1 and names[0].endswith("-2")

    driver.until(second)
    assert driver.ends(task) == []
    assert driver.executor.running == {task.ti.key}


def test_a_task_that_runs_longer_than_its_pod_may_is_told_so(driver: Driver) -> None:
    base = {"name": "base", "command": ["sh", "-c", "sleep 60"]}
    task = driver.task(override={"spec": {"activeDeadlineSeconds": 1, "containers": [base]}})
    driver.queue(task)
    state, info = driver.end(task)
    assert state == "failed"
    assert "deadline of 1 seconds" in info
    driver.no_pods()


def test_a_field_that_no_pod_has_is_refused_and_not_dropped(driver: Driver) -> None:
    task = driver.task(override={"spec": {"restartsPolicy": "Never"}})
    driver.queue(task)
    state, info = driver.end(task)
    assert state == "failed"
    assert 'unknown field "spec.restartsPolicy"' in info
    assert "\n" not in info


def test_what_a_task_has_in_its_executor_config_stays_with_the_scheduler(driver: Driver) -> None:
    task = driver.task("sleep 60", notes="x" * 1_000_000)
    driver.queue(task)
    pod = driver.pod("Running")
    [base] = pod["spec"]["containers"]
    environment = {each["name"]: each.get("value", "") for each in base["env"]}
    assert len(from_variables(environment)) < 5_000


def test_an_override_that_no_pod_can_hold_is_refused_in_a_sentence(driver: Driver) -> None:
    task = driver.task(override={"metadata": {"annotations": {"notes": "x" * 1_000_000}}})
    driver.queue(task)
    state, info = driver.end(task)
    assert state == "failed"
    assert "annotations" in info
    assert len(info) < 2_000


def test_a_workload_that_is_longer_than_one_variable_may_be_reaches_its_worker(
    driver: Driver,
) -> None:
    noise = "".join(random.choices("abcdefghijklmnopqrstuvwxyz", k=300_000))
    task = driver.task("sleep 60")
    task.ti.context_carrier = {"noise": noise}
    driver.queue(task)
    [base] = driver.pod("Running")["spec"]["containers"]
    environment = {each["name"]: each.get("value", "") for each in base["env"]}
    assert "PODLIFT_WORKLOAD_2" in environment
    assert noise in unseal(from_variables(environment), [seal_key(driver)]).decode()


def test_a_workload_that_no_pod_can_carry_is_refused_in_a_sentence(driver: Driver) -> None:
    noise = "".join(random.choices("abcdefghijklmnopqrstuvwxyz", k=2_000_000))
    task = driver.task("sleep 60")
    task.ti.context_carrier = {"noise": noise}
    driver.queue(task)
    state, info = driver.end(task)
    assert state == "failed"
    assert "object storage" in info
    assert driver.pods() == []
