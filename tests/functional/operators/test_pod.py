"""Pods run as tasks: what the task's log holds, how it ends, and what becomes of the pod."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from podlift.operators.errors import PodFailed, PodNotCreated, PodNotStarted, PodStopped
from podlift.pods.diagnosis import Cause

from .conftest import Api, Task

pytestmark = pytest.mark.functional

MakeTask = Callable[..., Task]


@pytest.mark.local_only("needs an image that a real cluster would have to pull")
def test_the_example_of_the_documentation(task: MakeTask) -> None:
    example = task(
        image="ubuntu:16.04",
        cmds=["bash", "-cx"],
        arguments=["echo hello; echo 10"],
        labels={"foo": "bar"},
        name="test",
        task_id="task",
    )
    example.run()
    assert [line for line in example.log.lines if line in ("hello", "10")] == ["hello", "10"]
    assert "Container 'base' ended with exit code 0." in example.log.lines
    assert example.pods() == []


def test_variables_labels_and_name_reach_the_pod(task: MakeTask) -> None:
    named = task(
        "echo $GREETING from $(hostname)",
        name="Greet_Me",
        labels={"team": "blue"},
        env_vars={"GREETING": "hello"},
        on_finish_action="keep_pod",
    )
    named.run()
    (pod,) = named.pods()
    assert pod["metadata"]["name"].startswith("greet-me-")
    assert pod["metadata"]["labels"]["team"] == "blue"
    assert pod["metadata"]["labels"]["dag_id"] == "a_dag"
    assert pod["metadata"]["annotations"]["run_id"] == named.instance.run_id
    named.log.wait_for("hello from", timeout=0)


def test_a_program_that_fails_is_told_with_its_exit_code(task: MakeTask) -> None:
    failing = task("echo oops >&2; exit 3")
    with pytest.raises(PodFailed, match="Container 'base' ended with exit code 3") as failure:
        failing.run()
    assert failure.value.diagnosis is not None
    assert failure.value.diagnosis.cause is Cause.FAILED
    assert failure.value.diagnosis.remedy in str(failure.value)
    assert "oops" in failing.log.lines
    assert failing.pods() == []


def test_a_command_that_is_not_there_is_told_as_such(task: MakeTask) -> None:
    wrong = task(cmds=["/no/such/program"])
    with pytest.raises(PodFailed, match="could not be started") as failure:
        wrong.run()
    assert failure.value.diagnosis is not None
    assert failure.value.diagnosis.cause is Cause.CANNOT_START


def test_a_pod_that_someone_deletes_fails_the_task(task: MakeTask, cluster: Api) -> None:
    script = "trap 'exit 0' TERM; echo ready; while true; do sleep 0.1; done"
    running = task(script, infrastructure_retries=0)
    outcome = running.start()
    running.log.wait_for("ready")
    (pod,) = running.pods()
    cluster.request("DELETE", _path(pod))
    with pytest.raises(PodFailed, match="Someone deleted the pod") as failure:
        outcome.result(timeout=60)
    assert failure.value.diagnosis is not None
    assert failure.value.diagnosis.cause is Cause.DELETED


def test_a_pod_that_someone_deletes_is_started_again(task: MakeTask, cluster: Api) -> None:
    running = task("trap 'exit 1' TERM; echo ready in $(hostname); sleep 2 & wait")
    outcome = running.start()
    running.log.wait_for("ready in")
    (pod,) = running.pods()
    cluster.request("DELETE", _path(pod))
    outcome.result(timeout=30)
    first = pod["metadata"]["name"]
    assert first.endswith("-1")
    running.log.wait_for(f"Created pod {pod['metadata']['namespace']}/{first[:-1]}2.", timeout=0)
    running.log.wait_for("Another pod is started.", timeout=0)
    assert running.pods() == []


def test_a_task_that_is_killed_deletes_its_pod_and_does_not_succeed(task: MakeTask) -> None:
    script = "trap 'exit 1' TERM; echo ready; while true; do sleep 0.1; done"
    running = task(script, on_finish_action="keep_pod")
    outcome = running.start()
    running.log.wait_for("ready")
    running.operator.on_kill()
    with pytest.raises(PodStopped):
        outcome.result(timeout=60)
    assert running.pods() == []


def test_ten_thousand_lines_arrive_in_order_and_complete(task: MakeTask) -> None:
    # The pause: containerd 1.6 loses what is still in the pipe when a process ends on a busy node.
    end = r"printf '50%%\r100%%\nend'; sleep 2"
    long = task(f"i=0; while [ $i -lt 10000 ]; do echo line $i; i=$((i+1)); done; {end}")
    long.run()
    lines = [line for line in long.log.lines if line.startswith("line ")]
    assert lines == [f"line {number}" for number in range(10_000)]
    assert long.log.lines.count("50%\r100%") == 1
    assert long.log.lines.count("end") == 1


def test_a_container_that_does_not_start_in_time_is_given_up(task: MakeTask) -> None:
    missing = {"name": "A", "valueFrom": {"secretKeyRef": {"name": "nope", "key": "k"}}}
    stuck = task("true", env_vars=[missing], startup_timeout_seconds=3, on_finish_action="keep_pod")
    with pytest.raises(PodNotStarted, match="did not start within 3 seconds") as failure:
        stuck.run()
    assert failure.value.diagnosis is not None
    assert failure.value.diagnosis.cause is Cause.CONFIGURATION
    assert 'secret "nope" not found' in str(failure.value)
    assert any(line.startswith("The pod is pending: ") for line in stuck.log.lines)
    assert stuck.pods() == [], "a pod that may still start is not left behind"


@pytest.mark.parametrize(
    ("action", "script", "kept"),
    [
        ("keep_pod", "exit 0", True),
        ("keep_pod", "exit 1", True),
        ("delete_succeeded_pod", "exit 0", False),
        ("delete_succeeded_pod", "exit 1", True),
        ("delete_pod", "exit 1", False),
    ],
)
def test_what_becomes_of_the_pod(task: MakeTask, action: str, script: str, kept: bool) -> None:
    ending = task(script, on_finish_action=action)
    try:
        ending.run()
    except PodFailed:
        assert script == "exit 1"
    assert len(ending.pods()) == kept


def test_the_same_try_finds_its_pod_again(task: MakeTask) -> None:
    twice = task("echo once", on_finish_action="keep_pod")
    twice.run()
    twice.run()
    assert len(twice.pods()) == 1
    twice.log.wait_for("created before for this try", timeout=0)


def test_a_pod_of_someone_else_is_left_alone(task: MakeTask, cluster: Api) -> None:
    first = task("true", on_finish_action="keep_pod")
    first.run()
    (pod,) = first.pods()
    change = {"metadata": {"annotations": {"dag_id": "another"}}}
    status, _ = cluster.request("GET", _path(pod))
    assert status == 200
    pod["metadata"]["annotations"] |= change["metadata"]["annotations"]
    status, body = cluster.request("PUT", _path(pod), pod)
    assert status == 200, body
    with pytest.raises(PodNotCreated, match="does not belong to this try"):
        first.run()
    assert len(first.pods()) == 1


def test_an_exceeded_quota_is_waited_out(task: MakeTask, cluster: Api, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/resourcequotas"
    quota = {"metadata": {"name": "full"}, "spec": {"hard": {"pods": "0"}}}
    status, body = cluster.request("POST", path, quota)
    assert status == 201, body
    waiting = task("echo through")
    outcome = waiting.start()
    waiting.log.wait_for("exceeded quota")
    cluster.request("DELETE", f"{path}/full")
    outcome.result(timeout=60)
    assert "through" in waiting.log.lines


def test_a_namespace_that_is_not_there_fails_at_once(task: MakeTask) -> None:
    with pytest.raises(PodNotCreated, match="no-such-namespace"):
        task("true", namespace="no-such-namespace").run()


def test_without_a_cluster_the_error_says_so(
    task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = task("true")
    monkeypatch.setenv("KUBECONFIG", "/no/such/kubeconfig")
    with pytest.raises(PodNotCreated, match="There is no cluster to run the pod in"):
        lost.run()


def test_the_log_can_be_left_out(task: MakeTask) -> None:
    silent = task("echo something", get_logs=False)
    silent.run()
    assert "something" not in silent.log.lines


def _path(pod: dict[str, dict[str, str]]) -> str:
    metadata = pod["metadata"]
    return f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
