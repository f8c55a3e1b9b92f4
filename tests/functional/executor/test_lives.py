"""What becomes of a task: from ``queue_workload`` to its deleted pod."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.functional.executor.conftest import Driver, MakeDriver
    from tests.machine import Machine

pytestmark = pytest.mark.functional


def test_a_task_that_succeeds(driver: Driver) -> None:
    good = driver.task("echo hello")
    driver.queue(good)
    assert driver.end(good) == ("success", None)
    assert driver.executor.running == set()
    assert "hello" in driver.kept_log(good)
    driver.no_pods()
    assert len(driver.ends(good)) == 1


def test_airflow_is_told_the_name_of_the_pod(driver: Driver) -> None:
    slow = driver.task("sleep 30")
    driver.queue(slow)
    pod = driver.pod("Running")
    named = (slow.ti.key, "queued", pod["metadata"]["name"])
    driver.until(lambda: named in driver.events)
    assert slow.ti.key in driver.executor.running


def test_a_task_that_fails_is_reported_with_the_cause(driver: Driver) -> None:
    bad = driver.task("echo before; exit 3")
    driver.queue(bad)
    state, info = driver.end(bad)
    assert state == "failed"
    assert "exit code 3" in info
    log = driver.kept_log(bad)
    assert "before" in log
    last = json.loads(log.splitlines()[-1])
    assert last["level"] == "error"
    assert "exit code 3" in last["event"]
    assert last["timestamp"]
    driver.no_pods()


def test_a_worker_that_says_that_its_task_failed_has_written_the_log_itself(
    driver: Driver,
) -> None:
    failed = driver.task("echo the cause; exit 1")
    driver.queue(failed)
    assert driver.end(failed)[0] == "failed"
    assert driver.kept_log(failed) == "the cause\n"


def test_a_worker_does_not_know_how_much_memory_its_task_was_allowed(driver: Driver) -> None:
    limit = {"resources": {"limits": {"memory": "50Mi"}}}
    base = {"name": "base", "command": ["sh", "-c", "tail /dev/zero; exit 1"], **limit}
    hungry = driver.task(override={"spec": {"containers": [base]}})
    driver.queue(hungry)
    assert driver.end(hungry)[0] == "failed"
    assert "used more memory than its limit of 50Mi" in driver.kept_log(hungry)


def test_a_log_that_the_worker_wrote_here_is_not_kept_twice(driver: Driver) -> None:
    good = driver.task("echo hello")
    assert good.log_path
    file = driver.logs / good.log_path
    file.parent.mkdir(parents=True)
    file.write_text("written by the worker\n")
    driver.queue(good)
    driver.end(good)
    assert driver.kept_log(good) == "written by the worker\n"


def test_what_is_sealed_is_not_in_the_pod(driver: Driver) -> None:
    driver.queue(driver.task("sleep 30"))
    pod = driver.pod("Running")
    assert "the-tasks-token" not in json.dumps(pod)
    environment = {each["name"]: each for each in pod["spec"]["containers"][0]["env"]}
    key = environment["PODLIFT_SEAL_KEY"]
    assert key == {
        "name": "PODLIFT_SEAL_KEY",
        "valueFrom": {"secretKeyRef": {"name": "podlift-seal", "key": "key"}},
    }
    assert environment["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"]["value"].startswith("http")


def test_the_worker_gets_what_it_needs_to_open_the_seal(driver: Driver, machine: Machine) -> None:
    opening = (
        "import os; from podlift.worker.workload import *;"
        "print(read_workload(take_workload(os.environ)).ti.task_id, end='')"
    )
    task = driver.task(override=machine.pod("python", "-c", opening))
    driver.queue(task)
    assert driver.end(task, 60.0) == ("success", None), driver.kept_log(task)
    assert driver.kept_log(task).endswith(task.ti.task_id)


def test_labels_and_annotations_name_the_task(driver: Driver) -> None:
    task = driver.task("sleep 30")
    driver.queue(task)
    metadata = driver.pod("Running")["metadata"]
    assert metadata["labels"]["dag_id"] == "shells"
    assert metadata["labels"]["task_id"] == task.ti.task_id
    assert metadata["annotations"]["run_id"] == "run 1"
    assert metadata["annotations"]["podlift.dev/ti-id"] == str(task.ti.id)


def test_the_highest_priority_is_created_first(make_driver: MakeDriver) -> None:
    driver = make_driver(pod_creation_max_concurrency=1)
    tasks = [driver.task("sleep 0", priority=each) for each in (1, 3, 2)]
    driver.queue(*tasks)
    driver.until(lambda: sum(state == "queued" for _, state, _ in driver.events) == 3)
    order = [key for key, state, _ in driver.events if state == "queued"]
    assert order == [tasks[1].ti.key, tasks[2].ti.key, tasks[0].ti.key]


def test_an_override_that_no_pod_can_be_made_from_fails_the_task_in_words(
    driver: Driver,
) -> None:
    wrong = driver.task(override={"spec": {"containers": "base"}})
    driver.queue(wrong)
    state, info = driver.end(wrong)
    assert state == "failed"
    assert "spec.containers" in info
    assert "spec.containers" in driver.kept_log(wrong)


def test_a_pod_that_the_server_refuses_fails_the_task_in_the_servers_words(
    driver: Driver,
) -> None:
    container = {"name": "base", "volumeMounts": [{"name": "nowhere", "mountPath": "/x"}]}
    wrong = driver.task(override={"spec": {"containers": [container]}})
    driver.queue(wrong)
    state, info = driver.end(wrong)
    assert state == "failed"
    assert "nowhere" in info


def test_a_template_of_the_tasks_own(driver: Driver, tmp_path: Any) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(
        "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n"
        "  - {name: base, image: busybox:1.36, command: [sh, -c, echo from the template]}\n"
    )
    task = driver.task(pod_template_file=str(own))
    driver.queue(task)
    driver.end(task)
    assert "from the template" in driver.kept_log(task)


def test_a_template_that_is_not_there_is_named(driver: Driver) -> None:
    task = driver.task(pod_template_file="/nowhere/template.yaml")
    driver.queue(task)
    state, info = driver.end(task)
    assert state == "failed"
    assert "/nowhere/template.yaml" in info


def test_a_model_object_is_as_good_an_override_as_a_dict(driver: Driver) -> None:
    from kubernetes.client import models as k8s

    container = k8s.V1Container(name="base", command=["sh", "-c", "echo from a model"])
    task = driver.task(override=k8s.V1Pod(spec=k8s.V1PodSpec(containers=[container])))
    driver.queue(task)
    driver.end(task)
    assert "from a model" in driver.kept_log(task)


def test_a_pod_that_is_deleted_while_it_pends_is_replaced(driver: Driver) -> None:
    gate = {"spec": {"schedulingGates": [{"name": "podlift.dev/test"}]}}
    task = driver.task(override=gate)
    driver.queue(task)
    first = driver.pod("Pending")["metadata"]
    path = f"/api/v1/namespaces/{driver.namespace}/pods/{first['name']}"
    assert driver.cluster.request("DELETE", path)[0] == 200

    def second() -> dict[str, Any] | None:
        return next((p for p in driver.pods() if p["metadata"]["uid"] != first["uid"]), None)

    annotations = driver.until(second)["metadata"]["annotations"]
    assert annotations["podlift.dev/launch"] == "2"
    assert annotations["podlift.dev/replaced"] == "1"
    driver.until(lambda: any("Another pod is started" in told for told in driver.told()))
    assert driver.ends(task) == []


def test_a_task_that_is_revoked_leaves_no_pod_and_no_event(driver: Driver) -> None:
    task = driver.task("sleep 30")
    driver.queue(task)
    driver.pod("Running")
    driver.executor.revoke_task(ti=task.ti)  # type: ignore[arg-type]
    driver.no_pods()
    assert driver.ends(task) == []
    assert driver.executor.running == set()


def test_a_task_that_is_queued_again_before_it_ended_runs_twice_one_after_the_other(
    driver: Driver,
) -> None:
    # As after a deferral: the same task instance, and the same key.
    first = driver.task("sleep 0.5; echo first")
    second = driver.task("echo second", ti_id=first.ti.id)
    second.ti.task_id = first.ti.task_id
    second.log_path = first.log_path
    driver.queue(first)
    driver.until(driver.pods)
    driver.queue(second)
    driver.until(lambda: "second" in driver.kept_log(first))
    driver.no_pods()
    log = driver.kept_log(first)
    assert log.index("first") < log.index("second")
    assert [state for state, _ in driver.ends(first)] == ["success"]
    assert driver.executor.running == set()


def test_pods_are_kept_where_that_is_asked_for(make_driver: MakeDriver) -> None:
    driver = make_driver(delete_worker_pods_on_failure=False)
    bad, good = driver.task("exit 3"), driver.task("exit 0")
    driver.queue(bad, good)
    driver.end(bad)
    driver.end(good)
    driver.until(lambda: len(driver.pods()) == 1)
    [pod] = driver.pods()
    assert pod["metadata"]["labels"]["task_id"] == bad.ti.task_id


def test_many_tasks_end_and_leave_nothing(driver: Driver) -> None:
    tasks = [driver.task(f"exit {index % 2}", ti_id=uuid.uuid4()) for index in range(20)]
    driver.queue(*tasks)
    for index, task in enumerate(tasks):
        assert driver.end(task, 60.0)[0] == ("failed" if index % 2 else "success")
    driver.no_pods()


def test_a_sidecar_that_goes_on_does_not_hold_up_the_end_of_its_task(driver: Driver) -> None:
    containers = [
        {"name": "base", "command": ["sh", "-c", "exit 3"]},
        {"name": "beside", "image": "busybox:1.36", "command": ["sh", "-c", "exec sleep 60"]},
    ]
    task = driver.task(override={"spec": {"containers": containers}})
    driver.queue(task)
    state, info = driver.end(task)
    assert state == "failed"
    assert "exit code 3" in info
    driver.no_pods()


def test_a_pod_whose_secret_is_missing_fails_with_its_events_in_the_log(
    make_driver: MakeDriver,
) -> None:
    driver = make_driver(pending_failure_timeout=1)
    source = {"secretKeyRef": {"name": "no-such-secret", "key": "x"}}
    base = {"name": "base", "env": [{"name": "X", "valueFrom": source}]}
    task = driver.task(override={"spec": {"containers": [base]}})
    driver.queue(task)
    state, info = driver.end(task)
    assert state == "failed"
    assert "no-such-secret" in info
    log = [json.loads(line) for line in driver.kept_log(task).splitlines()]
    assert any(line["event"].startswith("Kubernetes: ") for line in log)
    assert "no-such-secret" in log[-1]["event"]
    driver.no_pods()
