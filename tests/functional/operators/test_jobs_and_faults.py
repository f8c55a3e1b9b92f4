"""Jobs, and what is done to them, while the way to the API server is a bad one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from podlift.operators.exec import KubernetesPodExecOperator
from podlift.operators.job import KubernetesDeleteJobOperator, KubernetesPatchJobOperator

from .conftest import TaskLog
from .job_tasks import MakeJob, MakeObject, job, run_object
from .test_broken_connections import CuttingProxy, proxied
from .test_custom_objects import a_job

__all__ = ["job", "proxied", "run_object"]

pytestmark = pytest.mark.functional

Proxied = Callable[..., CuttingProxy]

RESULT = "/airflow/xcom/return.json"


def back_after(proxy: CuttingProxy, seconds: float) -> None:
    """Be away from now on, for so long."""
    proxy.leave()
    threading.Timer(seconds, lambda: setattr(proxy, "away", False)).start()


def test_no_line_of_a_job_is_lost_or_repeated(job: MakeJob, proxied: Proxied) -> None:
    burst = "for i in $(seq 0 99); do echo line $burst-$i; done; sleep 0.1"
    script = f"for burst in $(seq 0 19); do {burst}; done; echo 7 > {RESULT}"
    long = job(script, do_xcom_push=True)
    proxy = proxied(life=0.4)
    assert long.run() == 7
    assert proxy.cuts > 3
    lines = [line for line in long.log.lines if line.startswith("line ")]
    assert lines == [f"line {burst}-{i}" for burst in range(20) for i in range(100)]


def test_a_job_that_ends_while_the_api_server_is_away(job: MakeJob, proxied: Proxied) -> None:
    short = job(f"echo ready; sleep 1; echo last; echo 7 > {RESULT}", do_xcom_push=True)
    proxy = proxied(life=None)
    outcome = short.start()
    short.log.wait_for("ready")
    back_after(proxy, 4)
    assert outcome.result(timeout=120) == 7
    assert short.log.lines.count("last") == 1
    assert short.pods() == []


def test_an_object_waits_for_the_api_server(run_object: MakeObject, proxied: Proxied) -> None:
    back_after(proxied(life=None), 1.5)
    waiting = run_object(body=a_job("echo from the object"), base_container_name="main")
    assert waiting.run()["succeeded"] == 1
    assert "from the object" in waiting.log.lines


def test_whoever_changes_a_job_waits_for_the_api_server(
    job: MakeJob, namespace: str, proxied: Proxied
) -> None:
    suspended = job("true", suspend=True, wait_until_job_complete=False)
    suspended.run()
    (made,) = suspended.jobs()
    given: dict[str, Any] = {"name": made["metadata"]["name"], "namespace": namespace}
    proxy = proxied(life=None)
    back_after(proxy, 1.5)
    resume = KubernetesPatchJobOperator(task_id="p", body={"spec": {"suspend": False}}, **given)
    assert resume.execute({})["spec"]["suspend"] is False
    back_after(proxy, 1.5)
    KubernetesDeleteJobOperator(task_id="d", wait_for_completion=True, **given).execute({})
    suspended.wait_until_gone()


def test_a_command_waits_for_the_api_server(
    job: MakeJob, namespace: str, proxied: Proxied, log: TaskLog
) -> None:
    running = job("trap 'exit 1' TERM; echo ready; sleep 60 & wait")
    outcome = running.start()
    log.wait_for("ready")
    (pod,) = running.pods()
    back_after(proxied(life=None), 1.5)
    command = KubernetesPodExecOperator(
        task_id="c", pod_name=pod["metadata"]["name"], namespace=namespace, command=["echo", "done"]
    )
    command.execute({})
    assert "[stdout] done" in log.lines
    assert not outcome.done()
