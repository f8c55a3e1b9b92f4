"""Parameters that change what runs, what is logged and what becomes of the pod."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException
from kubernetes import client

from podlift.callbacks import KubernetesPodOperatorCallback
from podlift.operators.errors import PodFailed, PodNotCreated, PodNotStarted, PodStopped

from .conftest import Task

pytestmark = pytest.mark.functional

MakeTask = Callable[..., Task]

SIDECAR = {
    "spec": {
        "containers": [
            {"name": "base", "image": "busybox:1.36"},
            {
                "name": "second",
                "image": "busybox:1.36",
                "command": ["sh", "-c", "echo beside; trap 'exit 0' TERM; sleep 60 & wait"],
            },
        ],
        "initContainers": [
            {"name": "first", "image": "busybox:1.36", "command": ["echo", "before"]}
        ],
    }
}


def test_logs_of_several_containers_come_with_their_names(task: MakeTask) -> None:
    several = task(
        "sleep 1; echo mine; sleep 1",
        full_pod_spec=SIDECAR,
        container_logs=True,
        init_container_logs="first",
    )
    several.run()
    for line in ("[first] before", "[second] beside", "[base] mine"):
        assert several.log.lines.count(line) == 1, several.log.text
    assert several.pods() == [], "a container that goes on by itself does not hold the task"


def test_a_failure_shows_what_other_containers_said_last(task: MakeTask) -> None:
    script = "sleep 1; echo mine; exit 3"
    failing = task(script, full_pod_spec=SIDECAR)
    with pytest.raises(PodFailed):
        failing.run()
    assert failing.log.lines.count("[second] beside") == 1
    assert "[first] before" not in failing.log.lines, "it ended well"
    silent = task(script, full_pod_spec=SIDECAR, get_logs=False, task_id="silent")
    with pytest.raises(PodFailed):
        silent.run()
    assert failing.log.lines.count("[second] beside") == 1, "no logs are wanted of this one"


def test_a_line_is_logged_as_the_formatter_gives_it(task: MakeTask) -> None:
    formatted = task("echo hello", log_formatter=lambda container, line: f"<{container}> {line}")
    formatted.run()
    assert "<base> hello" in formatted.log.lines


@pytest.mark.parametrize(("prefix", "line"), [(True, "[base] mine"), (False, "mine")])
def test_names_before_lines_are_a_matter_of_taste(task: MakeTask, prefix: bool, line: str) -> None:
    told = task("echo mine; sleep 1", container_name_log_prefix_enabled=prefix)
    told.run()
    assert line in told.log.lines


@pytest.mark.parametrize("told", [True, False])
def test_what_a_pod_waits_for_is_told_if_it_is_wanted(task: MakeTask, told: bool) -> None:
    nowhere = task(
        "true",
        node_selector={"no": "such-node"},
        startup_timeout_seconds=2,
        log_events_on_startup=told,
    )
    with pytest.raises(PodNotStarted):
        nowhere.run()
    assert ("The pod is pending: " in nowhere.log.text) is told


@pytest.mark.parametrize("told", [True, False])
def test_events_and_manifest_of_a_failed_pod_are_told_if_they_are_wanted(
    task: MakeTask, told: bool
) -> None:
    failing = task(
        cmds=["/no/such/program"], log_events_on_failure=told, log_pod_spec_on_failure=told
    )
    context: Any = {"ti": failing.instance}
    failing.operator.render_template_fields(context)
    with pytest.raises(PodFailed):
        failing.run()
    assert ("Event Failed: " in failing.log.text) is told
    assert ("The pod's manifest was:" in failing.log.text) is told


def test_a_parameter_without_effect_says_so(task: MakeTask) -> None:
    polled = task("true", poll_interval=5)
    polled.run()
    assert "poll_interval has no effect: nothing is polled." in polled.log.lines


def test_an_exit_code_can_mean_skip(task: MakeTask) -> None:
    with pytest.raises(AirflowSkipException, match="exit code 99"):
        task("exit 99", skip_on_exit_code=99).run()
    with pytest.raises(PodFailed, match="exit code 98"):
        task("exit 98", skip_on_exit_code=[97, 99]).run()


def test_a_killed_task_leaves_its_pod_if_it_is_told_to(task: MakeTask) -> None:
    running = task(
        "trap 'exit 1' TERM; echo ready; while true; do sleep 0.1; done",
        on_kill_action="keep_pod",
    )
    outcome = running.start()
    running.log.wait_for("ready")
    running.operator.on_kill()
    with pytest.raises(PodStopped, match="goes on"):
        outcome.result(timeout=10)
    assert len(running.pods()) == 1


def test_a_pod_that_no_node_takes_is_given_up_after_its_own_time(task: MakeTask) -> None:
    nowhere = task(
        "true",
        node_selector={"no": "such-node"},
        schedule_timeout_seconds=2,
        startup_timeout_seconds=60,
    )
    with pytest.raises(PodNotStarted, match="did not start within 2 seconds"):
        nowhere.run()


def test_the_exact_name_is_used_if_no_suffix_is_wanted(task: MakeTask) -> None:
    named = task("true", name="exactly", random_name_suffix=False, on_finish_action="keep_pod")
    named.run()
    assert [pod["metadata"]["name"] for pod in named.pods()] == ["exactly"]


def test_a_template_that_is_missing_is_told(task: MakeTask) -> None:
    with pytest.raises(PodNotCreated, match="pod_template_file cannot be read"):
        task("true", pod_template_file="/no/such/file.yaml").run()


def test_every_callback_is_called_with_what_it_promises(task: MakeTask) -> None:
    heard: list[tuple[str, str]] = []

    class Ears(KubernetesPodOperatorCallback):
        @staticmethod
        def on_sync_client_creation(*, client: Any, operator: Any, **kwargs: Any) -> None:
            heard.append(("client", operator.task_id))

        @staticmethod
        def on_pod_manifest_created(*, pod_request: Any, mode: str, **kwargs: Any) -> None:
            assert type(pod_request) is client.V1Pod
            assert pod_request.metadata is not None
            assert pod_request.metadata.labels is not None
            pod_request.metadata.labels["heard"] = "yes"
            heard.append(("manifest", mode))

        @staticmethod
        def on_pod_creation(*, pod: Any, **kwargs: Any) -> None:
            heard.append(("creation", pod.metadata.labels["heard"]))

        @staticmethod
        async def on_pod_starting(*, pod: Any, **kwargs: Any) -> None:
            heard.append(("starting", pod.metadata.labels["dag_id"]))

        @staticmethod
        def on_pod_completion(*, pod: Any, **kwargs: Any) -> None:
            heard.append(("completion", pod.status.container_statuses[0].name))

        @staticmethod
        def on_pod_teardown(*, context: Any, **kwargs: Any) -> None:
            heard.append(("teardown", context["ti"].task_id))

        @staticmethod
        def on_pod_cleanup(*, pod: Any, **kwargs: Any) -> None:
            heard.append(("cleanup", pod.metadata.labels["heard"]))

        @staticmethod
        def progress_callback(*, line: str, container_name: str, **kwargs: Any) -> None:
            heard.append((container_name, line))

    lines: list[str] = []
    task("echo one; sleep 1", callbacks=Ears, progress_callback=lines.append).run()
    heard.remove(("base", "one"))
    assert heard == [
        ("client", "a_task"),
        ("manifest", "sync"),
        ("creation", "yes"),
        ("starting", "a_dag"),
        ("completion", "base"),
        ("teardown", "a_task"),
        ("cleanup", "yes"),
    ]
    assert lines == ["one"]


def test_a_callback_that_fails_fails_the_task_while_that_is_of_use(task: MakeTask) -> None:
    class Early(KubernetesPodOperatorCallback):
        @staticmethod
        def on_pod_creation(**kwargs: Any) -> None:
            raise RuntimeError("not like this")

    class Late(KubernetesPodOperatorCallback):
        @staticmethod
        def on_pod_cleanup(**kwargs: Any) -> None:
            raise RuntimeError("too late")

    early = task("true", callbacks=[Early])
    with pytest.raises(RuntimeError, match="not like this"):
        early.run()
    assert early.pods() == []
    late = task("true", task_id="late", callbacks=[Late])
    late.run()
    late.log.wait_for("too late", timeout=0)
