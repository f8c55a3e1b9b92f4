"""What is kept of pods' logs."""

from __future__ import annotations

import gc
import json
import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
from airflow.models.log import Log
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session

if TYPE_CHECKING:
    from tests.functional.executor.conftest import Driver, MakeDriver

pytestmark = pytest.mark.functional

# A worker takes a moment to end, too; its log goes with its pod, so it is read in that moment.
STOPS = "trap 'echo last words; sleep 1; exit 143' TERM; echo begun; while :; do sleep 0.05; done"


def said(log: str) -> list[str]:
    """What Podlift's own lines say."""
    return [json.loads(line)["event"] for line in log.splitlines() if line.startswith("{")]


def delete(driver: Driver, name: str) -> None:
    driver.cluster.request("DELETE", f"/api/v1/namespaces/{driver.namespace}/pods/{name}")


def running(driver: Driver, task: Any) -> str:
    """Drive until the task has written something; the name of its pod."""
    name: str = driver.pod("Running")["metadata"]["name"]
    path = f"/api/v1/namespaces/{driver.namespace}/pods/{name}/log"
    driver.until(lambda: driver.cluster.request("GET", path)[1])
    return name


def test_the_log_of_a_pod_that_is_deleted_while_it_runs_is_kept(make_driver: MakeDriver) -> None:
    driver = make_driver(infrastructure_retries=0)
    task = driver.task(STOPS)
    driver.queue(task)
    driver.pod("Running")
    delete(driver, running(driver, task))
    assert driver.end(task)[0] == "failed"
    log = driver.kept_log(task)
    assert log.startswith("begun\nlast words\n")
    assert "deleted the pod" in said(log)[-1]
    driver.no_pods()


def test_of_a_long_log_head_and_tail_are_kept(make_driver: MakeDriver) -> None:
    driver = make_driver(kept_log_limit=2_000_000)
    count = 'BEGIN { for (n = 1; n <= 300000; n++) printf "line %07d\\n", n }'
    task = driver.task(f"awk '{count}'; sleep 1")
    driver.queue(task)
    assert driver.end(task) == ("success", None)
    log = driver.kept_log(task)
    assert 1_990_000 < len(log) < 2_000_300, driver.told()
    assert log.startswith("line 0000001\nline 0000002\n")
    assert log.endswith("line 0299999\nline 0300000\n")
    marks = said(log)
    assert len(marks) == 1
    assert "1,900,0" in marks[0]
    assert "kept_log_limit" in marks[0]


def test_an_init_container_that_fails_is_quoted(driver: Driver) -> None:
    script = "echo the disk is not there; exit 5"
    init = {"name": "prepare", "image": "busybox:1.36", "command": ["sh", "-c", script]}
    task = driver.task(override={"spec": {"initContainers": [init]}})
    driver.queue(task)
    assert driver.end(task)[0] == "failed"
    log = driver.kept_log(task)
    assert "Container 'prepare' ended with exit code 5" in log
    assert "\nthe disk is not there\n" in log


@contextmanager
def small_files(limit: int) -> Iterator[None]:
    """No file of this process may grow beyond this: the nearest to a full disk without root."""
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


def test_a_disk_that_takes_no_more_does_not_change_the_tasks_end(driver: Driver) -> None:
    task = driver.task("seq 1 100000")
    driver.queue(task)
    with small_files(100_000):
        assert driver.end(task) == ("success", None)
    assert driver.kept_log(task) == ""
    assert task.log_path
    assert [*(driver.logs / task.log_path).parent.iterdir()] == []  # nor half of it
    [sentence] = [each for each in driver.told() if "log" in each]
    assert "could not be kept in" in sentence
    assert os.strerror(27) in sentence  # EFBIG; a full disk says ENOSPC
    driver.no_pods()


def test_a_folder_that_cannot_be_made_does_not_change_the_tasks_end(driver: Driver) -> None:
    driver.logs.write_text("a file where the folder should be")
    task = driver.task("echo hello")
    driver.queue(task)
    assert driver.end(task) == ("success", None)
    assert any("could not be kept" in sentence for sentence in driver.told())
    driver.no_pods()


def test_the_log_of_a_pod_that_was_replaced_stays_and_says_why(driver: Driver) -> None:
    task = driver.task(f'case "$HOSTNAME" in *-1) {STOPS};; esac; echo second')
    driver.queue(task)
    first = running(driver, task)
    delete(driver, first)
    driver.until(lambda: any(pod["metadata"]["name"] != first for pod in driver.pods()))
    log = driver.kept_log(task)
    assert log.startswith("begun\nlast words\n")
    assert "deleted" in log
    assert "Another pod was started" in said(log)[-1]


def test_what_the_executor_tells_gets_into_airflows_event_log(driver: Driver) -> None:
    # Airflow takes the entries out of their queue as it saves them, and nobody else holds them.
    secret = {"secretKeyRef": {"name": "no-such-secret", "key": "password"}}
    base = {"name": "base", "env": [{"name": "PASSWORD", "valueFrom": secret}]}
    driver.queue(driver.task(override={"spec": {"containers": [base]}}))
    driver.until(driver.told)
    gc.collect()
    engine = create_engine("sqlite://")
    Log.metadata.create_all(engine, tables=[Log.__table__])
    with Session(engine) as session:
        save: Any = SchedulerJobRunner._process_task_event_logs
        save(driver.executor._task_event_logs, session)
        session.commit()
        extras = session.scalars(select(Log.extra).where(Log.event == "podlift")).all()
    assert any("no-such-secret" in str(extra) for extra in extras)
    engine.dispose()
