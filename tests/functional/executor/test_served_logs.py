"""Kept logs that are read from a scheduler's log server, which is Airflow's own."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
from airflow.utils.serve_logs import create_app

from podlift.executor import KubernetesExecutor
from podlift.executor.archive import Draft, LogFolder, add_to_index, kept_file
from podlift.executor.served_logs import LogServers
from podlift.executor.task_pods import address_of, explain_waiting

if TYPE_CHECKING:
    from tests.functional.executor.conftest import Driver

pytestmark = pytest.mark.functional

LOG = "dag_id=a/run_id=manual__2026-01-01T00:00:00+00:00/task_id=t/attempt=1.log"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LogFolder:
    monkeypatch.setenv("AIRFLOW__LOGGING__BASE_LOG_FOLDER", str(tmp_path))
    monkeypatch.setenv("AIRFLOW__API__SECRET_KEY", "known to all components " * 4)
    monkeypatch.setenv("AIRFLOW__API__LOG_FETCH_TIMEOUT_SEC", "2")
    return LogFolder(tmp_path)


@pytest.fixture
def port(folder: LogFolder) -> Iterator[int]:
    """A log server for the folder."""
    app: Any = create_app
    config = uvicorn.Config(app(), host="127.0.0.1", port=0, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join()


def keep(folder: LogFolder, pod: str, text: bytes) -> None:
    file = folder.path(LOG)
    assert file is not None
    draft = Draft(kept_file(file, pod, "0123456789"), folder, 1000)
    draft.finish(text)
    add_to_index(file, draft.target.name, folder)


def nowhere(_: str) -> None:
    return None


def test_all_that_was_kept_of_a_try_is_found(folder: LogFolder, port: int) -> None:
    keep(folder, "pod-1", b"one\ntwo\n")
    keep(folder, "pod-2", "drei: ä\n".encode())
    found = LogServers(["127.0.0.1"], port, nowhere).find(LOG)
    assert [list(lines) for lines in found.streams()] == [["one", "two"], ["drei: ä"]]
    assert len(found.sources) == 2
    assert found.unreachable == []


def test_what_a_worker_wrote_there_itself_is_found_too(folder: LogFolder, port: int) -> None:
    file = folder.path(LOG)
    assert file is not None
    folder.make_room(file)
    file.write_text("from the worker\n")
    found = LogServers(["127.0.0.1"], port, nowhere).find(LOG)
    assert [list(lines) for lines in found.streams()] == [["from the worker"]]


def test_that_nothing_was_kept_is_no_problem(port: int) -> None:
    found = LogServers(["127.0.0.1"], port, nowhere).find(LOG)
    assert (found.sources, found.responses, found.unreachable) == ([], [], [])


def test_a_host_that_has_no_name_in_dns_is_found_by_its_pods_address(
    folder: LogFolder, port: int
) -> None:
    keep(folder, "pod-1", b"one\n")
    servers = LogServers(["scheduler-7d5f.invalid"], port, lambda _: "127.0.0.1")
    assert [list(lines) for lines in servers.find(LOG).streams()] == [["one"]]


def test_one_scheduler_that_is_away_does_not_hide_the_others_logs(
    folder: LogFolder, port: int
) -> None:
    keep(folder, "pod-1", b"one\n")
    found = LogServers(["away.invalid", "127.0.0.1"], port, nowhere).find(LOG)
    assert [list(lines) for lines in found.streams()] == [["one"]]
    assert found.unreachable == ["away.invalid (no connection)"]


def test_keys_that_differ_are_said(
    folder: LogFolder, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(folder, "pod-1", b"one\n")
    monkeypatch.setenv("AIRFLOW__API__SECRET_KEY", "another one " * 8)
    [why] = LogServers(["127.0.0.1"], port, nowhere).find(LOG).unreachable
    assert "[api] secret_key" in why


def row(task: Any) -> Any:
    ti = task.ti
    return SimpleNamespace(
        id=ti.id,
        dag_id=ti.dag_id,
        task_id=ti.task_id,
        run_id=ti.run_id,
        map_index=ti.map_index,
        try_number=ti.try_number,
    )


def test_it_is_said_what_a_pending_pod_waits_for(driver: Driver) -> None:
    settings = KubernetesExecutor().settings
    task = driver.task(
        override={
            "spec": {"containers": [{"name": "base", "resources": {"requests": {"cpu": "9999"}}}]}
        }
    )
    assert b"waits for its pod" in explain_waiting(settings, row(task))[1][0]
    driver.queue(task)

    def said() -> Any:
        sources, lines = explain_waiting(settings, row(task))
        return (sources, lines) if b"Insufficient cpu" in b"".join(lines) else None

    sources, lines = driver.until(said)
    assert sources[0].startswith("Pod shells-")
    assert b"FailedScheduling" in b"".join(lines)


def test_what_an_init_container_says_is_shown_while_it_runs(driver: Driver) -> None:
    script = ["sh", "-c", "echo fetching the data; sleep 30"]
    init = {"name": "fetch", "image": "busybox:1.36", "command": script}
    task = driver.task(override={"spec": {"initContainers": [init]}})
    driver.queue(task)
    settings = KubernetesExecutor().settings
    driver.until(lambda: b"fetching" in b"".join(explain_waiting(settings, row(task))[1]))


def test_a_scheduler_that_is_a_pod_has_an_address(driver: Driver) -> None:
    settings = KubernetesExecutor().settings
    driver.queue(driver.task("sleep 30"))
    pod = driver.pod("Running")
    assert address_of(settings, pod["metadata"]["name"]) == pod["status"]["podIP"]
    assert address_of(settings, "no-such-pod.example") is None
