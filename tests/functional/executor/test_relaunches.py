"""What the infrastructure takes away is started again, and costs the task none of its retries."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import jwt
import pytest

from podlift.exit_codes import ExitCode
from podlift.sealing import from_variables, new_key, unseal

if TYPE_CHECKING:
    from tests.functional.executor.conftest import Driver, MakeDriver

pytestmark = pytest.mark.functional

FIRST_WAITS = """
trap 'exit 143' TERM
echo launch $LAUNCH
if [ "$LAUNCH" = 1 ]; then sleep 60 & wait; fi
"""
"""The first pod waits to be taken away; the next one ends well."""


def launches(script: str = FIRST_WAITS, **base: Any) -> dict[str, Any]:
    """An override whose script finds the launch's number in its environment."""
    field = {"fieldRef": {"fieldPath": "metadata.annotations['podlift.dev/launch']"}}
    container = {
        "name": "base",
        "command": ["sh", "-c", script],
        "env": [{"name": "LAUNCH", "valueFrom": field}],
        **base,
    }
    return {"spec": {"containers": [container]}}


def path(driver: Driver, pod: dict[str, Any], subresource: str = "") -> str:
    return f"/api/v1/namespaces/{driver.namespace}/pods/{pod['metadata']['name']}{subresource}"


def delete(driver: Driver, pod: dict[str, Any]) -> None:
    assert driver.cluster.request("DELETE", path(driver, pod))[0] == 200


def launched(driver: Driver, number: int) -> dict[str, Any]:
    """The pod of this launch, once it is there."""

    def found() -> dict[str, Any] | None:
        wanted = str(number)
        return next(
            (
                pod
                for pod in driver.pods()
                if pod["metadata"]["annotations"]["podlift.dev/launch"] == wanted
            ),
            None,
        )

    pod: dict[str, Any] = driver.until(found)
    return pod


def test_a_task_whose_pod_is_deleted_while_it_runs_runs_again(driver: Driver) -> None:
    task = driver.task(override=launches())
    driver.queue(task)
    pod = driver.pod("Running")
    driver.database.set(str(task.ti.id), state="running")
    delete(driver, pod)
    assert driver.end(task) == ("success", None)
    row = driver.database.row(str(task.ti.id))
    assert (row.state, row.try_number, row.max_tries) == ("queued", 1, 3)
    assert row.external_executor_id.endswith("-2")
    assert any("Another pod is started" in told for told in driver.told())
    assert "launch 2" in driver.kept_log(task)
    driver.no_pods()
    assert len(driver.ends(task)) == 1


def test_a_task_whose_pod_is_evicted_runs_again(driver: Driver) -> None:
    task = driver.task(override=launches())
    driver.queue(task)
    pod = driver.pod("Running")
    name = pod["metadata"]["name"]
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    status, body = driver.cluster.request("POST", path(driver, pod, "/eviction"), eviction)
    assert status == 201, body
    assert driver.end(task) == ("success", None)
    assert any("evict" in told.lower() for told in driver.told())
    driver.no_pods()


def test_the_count_is_on_the_pods_and_has_an_end(make_driver: MakeDriver) -> None:
    driver = make_driver(infrastructure_retries=1)
    task = driver.task("trap 'exit 143' TERM; sleep 60 & wait")
    driver.queue(task)
    delete(driver, launched(driver, 1))
    second = launched(driver, 2)
    assert second["metadata"]["annotations"]["podlift.dev/replaced"] == "1"
    delete(driver, second)
    state, info = driver.end(task)
    assert state == "failed"
    assert "deleted" in info
    assert "This was the 2nd pod" in info
    driver.no_pods()


def test_what_airflow_has_been_told_the_end_of_is_not_started_again(driver: Driver) -> None:
    task = driver.task(override=launches())
    driver.queue(task)
    pod = driver.pod("Running")
    driver.database.set(str(task.ti.id), state="failed")
    delete(driver, pod)
    assert driver.end(task)[0] == "failed"
    driver.no_pods()
    assert driver.database.row(str(task.ti.id)).state == "failed"


def test_what_another_scheduler_has_by_now_is_let_go(
    make_driver: MakeDriver,
) -> None:
    driver = make_driver(job_id=1)
    driver.database.add_job(1)
    driver.database.add_job(7)
    task = driver.task(override=launches())
    driver.queue(task)
    pod = driver.pod("Running")
    driver.database.set(str(task.ti.id), queued_by_job_id=7)
    delete(driver, pod)
    driver.until(lambda: not driver.executor.running)
    assert driver.ends(task) == []
    driver.no_pods()


def test_a_worker_that_cannot_reach_airflow_gets_another_try(driver: Driver) -> None:
    task = driver.task(override=launches('[ "$LAUNCH" = 2 ] || exit 69'))
    driver.queue(task)
    assert driver.end(task) == ("success", None)


def test_a_key_that_was_replaced_is_read_again(driver: Driver) -> None:
    before = driver.task("exit 0")
    driver.queue(before)
    driver.end(before)  # the executor knows the key now
    secret = f"/api/v1/namespaces/{driver.namespace}/secrets/podlift-seal"
    key = new_key()
    _, stored = driver.cluster.request("GET", secret)
    stored["data"]["key"] = base64.b64encode(key.encode()).decode()
    assert driver.cluster.request("PUT", secret, stored)[0] == 200

    task = driver.task(override=launches('[ "$LAUNCH" = 2 ] || exit 77; sleep 60'))
    driver.queue(task)
    second = launched(driver, 2)
    environment = {
        each["name"]: each.get("value", "") for each in second["spec"]["containers"][0]["env"]
    }
    assert task.ti.task_id in unseal(from_variables(environment), [key]).decode()


@pytest.mark.parametrize("end", ["tail /dev/zero", f"exit {ExitCode.OUT_OF_MEMORY}"])
def test_a_task_that_ran_out_of_memory_gets_more(make_driver: MakeDriver, end: str) -> None:
    """Whether the container was killed, or a process of it and the worker says so."""
    driver = make_driver(out_of_memory_factor=2, out_of_memory_ceiling="90Mi")
    script = f'[ "$LAUNCH" = 2 ] && exec sleep 60; {end}'
    memory = {"requests": {"memory": "20Mi"}, "limits": {"memory": "50Mi"}}
    task = driver.task(override=launches(script, resources=memory))
    driver.queue(task)
    second = launched(driver, 2)
    resources = second["spec"]["containers"][0]["resources"]
    assert resources == {"requests": {"memory": "40Mi"}, "limits": {"memory": "90Mi"}}
    annotations = second["metadata"]["annotations"]
    assert annotations["podlift.dev/memory"] == "90Mi"
    assert annotations["podlift.dev/memory-grown"] == "1"
    assert annotations["podlift.dev/replaced"] == "0"
    driver.beat()  # the pod is there: what was to be said of it is waiting
    again = " Another pod is started, with more memory."
    [told] = [each.removesuffix(again) for each in driver.told() if each.endswith(again)]
    assert "memory" in told
    assert "exit code 79" not in told


def test_memory_does_not_grow_unless_that_is_asked_for(driver: Driver) -> None:
    limit = {"limits": {"memory": "50Mi"}}
    task = driver.task(override=launches("tail /dev/zero", resources=limit))
    driver.queue(task)
    state, info = driver.end(task)
    assert state == "failed"
    assert "50Mi" in info
    driver.no_pods()


def test_each_pod_gets_a_token_of_its_own(driver: Driver) -> None:
    task = driver.task(override=launches())
    driver.queue(task)
    first = driver.pod("Running")
    delete(driver, first)
    second = launched(driver, 2)
    claims = [_token_of(driver, pod) for pod in (first, second)]
    assert claims[0]["jti"] != claims[1]["jti"]
    for each in claims:
        assert each["sub"] == str(task.ti.id)
        assert each["scope"] == "workload"
        assert each["exp"] - each["iat"] > 600  # [scheduler] task_queued_timeout


def _token_of(driver: Driver, pod: dict[str, Any]) -> dict[str, Any]:
    secret = f"/api/v1/namespaces/{driver.namespace}/secrets/podlift-seal"
    key = base64.b64decode(driver.cluster.request("GET", secret)[1]["data"]["key"]).decode()
    environment = {
        each["name"]: each.get("value", "") for each in pod["spec"]["containers"][0]["env"]
    }
    token = json.loads(unseal(from_variables(environment), [key]))["token"]
    return jwt.decode(token, options={"verify_signature": False})
