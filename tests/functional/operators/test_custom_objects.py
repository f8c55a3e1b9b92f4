"""Objects of any kind run as tasks: the table of their status, their pods' logs, their end."""

from __future__ import annotations

from typing import Any

import pytest

from podlift.operators.errors import ObjectFailed, PodNotCreated, PodStopped

from .job_tasks import MakeObject, run_object

__all__ = ["run_object"]

pytestmark = pytest.mark.functional


def a_job(shell: str) -> dict[str, Any]:
    container = {"name": "main", "image": "busybox:1.36", "command": ["sh", "-c", shell]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "given"},
        "spec": {
            "backoffLimit": 0,
            "template": {"spec": {"restartPolicy": "Never", "containers": [container]}},
        },
    }


def test_a_known_kind_needs_no_table(run_object: MakeObject) -> None:
    running = run_object(body=a_job("echo from the object"), base_container_name="main")
    status = running.run()
    assert status["succeeded"] == 1
    assert "from the object" in running.log.lines
    (made,) = running.jobs()
    assert made["metadata"]["name"].startswith("given-")


def test_a_table_says_what_the_status_means(run_object: MakeObject) -> None:
    job = a_job("exit 3")
    failing = run_object(
        body=job,
        success_when={"status.succeeded": "1"},
        failure_when={"status.conditions[type=Failed].status": ["True"]},
        messages_at=["status.conditions[type=Failed].reason"],
        delete_on_termination=True,
    )
    with pytest.raises(ObjectFailed, match="It failed: BackoffLimitExceeded"):
        failing.run()
    failing.wait_until_gone()


def test_yaml_is_taken_as_well(run_object: MakeObject) -> None:
    import yaml

    assert run_object(body=yaml.safe_dump(a_job("true"))).run()["succeeded"] == 1


def test_an_object_of_a_killed_task_is_deleted(run_object: MakeObject) -> None:
    running = run_object(
        body=a_job("trap 'exit 143' TERM; echo ready; sleep 60 & wait"), base_container_name="main"
    )
    outcome = running.start()
    running.log.wait_for("ready")
    running.operator.on_kill()
    with pytest.raises(PodStopped, match="was deleted"):
        outcome.result(timeout=60)
    running.wait_until_gone()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"apiVersion": "no.such/v1", "kind": "Thing"}, "success_when must say"),
        ({"kind": "Job"}, "apiVersion"),
        ("a: [", "is not YAML"),
        ("kind: Job\n---\nkind: Job\n", "must hold one object, not 2"),
    ],
)
def test_what_is_no_object_is_refused_in_words(
    run_object: MakeObject, body: Any, message: str
) -> None:
    with pytest.raises(PodNotCreated, match=message):
        run_object(body=body).run()


def test_a_kind_that_the_cluster_does_not_know_is_told(run_object: MakeObject) -> None:
    body = {"apiVersion": "no.such/v1", "kind": "Thing"}
    with pytest.raises(PodNotCreated, match=r"knows no kind Thing in no.such/v1"):
        run_object(body=body, success_when={"status.done": "True"}).run()
