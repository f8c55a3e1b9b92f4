"""Several schedulers on one namespace: each minds its own, and takes over from a dead one once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.functional.executor.holding import Hold, HoldingServer
from tests.functional.executor.schedulers import left_behind, until

if TYPE_CHECKING:
    from tests.functional.conftest import Cluster
    from tests.functional.executor.conftest import Driver, MakeDriver, StartScheduler
    from tests.functional.executor.database import Database

pytestmark = pytest.mark.functional

DEAD, ONE, OTHER = 7, 8, 9
ENDLESS = "trap 'exit 143' TERM; sleep 600 & wait"


@pytest.fixture
def database(database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    for job in (DEAD, ONE, OTHER):
        database.add_job(job)
    monkeypatch.setenv("AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD", "60")
    return database


@pytest.fixture
def server(cluster: Cluster, tmp_path: Path) -> Iterator[HoldingServer]:
    server = HoldingServer(cluster, tmp_path / "holding")
    server.start()
    yield server
    server.stop()


def known(database: Database, task: Any, state: str, job_id: int) -> None:
    """What Airflow knows of a task."""
    database.put(str(task.ti.id), state, queued_by_job_id=job_id)


def owner(driver: Driver) -> str:
    [pod] = driver.pods()
    found: str = pod["metadata"]["annotations"]["podlift.dev/executor"]
    return found


@pytest.mark.parametrize("winner", [ONE, OTHER])
def test_of_two_that_adopt_at_once_the_one_that_airflow_names_has_the_pod(
    make_driver: MakeDriver, database: Database, winner: int
) -> None:
    dead = make_driver(job_id=DEAD)
    task = dead.task("sleep 2; exit 3")
    dead.queue(task)
    dead.pod("Running")
    dead.executor.end()
    database.end_job(DEAD)
    known(database, task, "running", winner)

    drivers = {job: make_driver(job_id=job) for job in (ONE, OTHER)}
    for driver in drivers.values():
        assert driver.executor.try_adopt_task_instances([left_behind(task)]) == []
    winning, losing = drivers[winner], drivers[ONE + OTHER - winner]
    losing.until(lambda: not losing.executor.running)
    assert winning.end(task)[0] == "failed"
    winning.no_pods()
    losing.beat()
    assert losing.ends(task) == []
    assert len(winning.ends(task)) == 1


def test_a_scheduler_that_was_only_slow_says_nothing_and_deletes_nothing(
    make_driver: MakeDriver, start_scheduler: StartScheduler, database: Database
) -> None:
    slow, driver = start_scheduler(DEAD, database), make_driver(job_id=ONE)
    tasks = [driver.task("sleep 2; exit 3"), driver.task(ENDLESS)]
    slow.queue(*tasks)
    driver.until(lambda: [pod["status"]["phase"] for pod in driver.pods()] == ["Running"] * 2)
    until(lambda: slow.running() == 2)
    slow.stop()
    for task in tasks:
        known(database, task, "running", ONE)
    orphans = [left_behind(task) for task in tasks]
    assert driver.executor.try_adopt_task_instances(orphans) == []
    # One ends while the slow one is held, so that it hears of a deletion that was not its own.
    assert driver.end(tasks[0])[0] == "failed"
    driver.until(lambda: len(driver.pods()) == 1)
    slow.go_on()
    until(lambda: slow.running() == 0)
    assert [slow.ends(task) for task in tasks] == [[], []]
    assert owner(driver).startswith(f"{ONE}-")
    assert driver.executor.running == {tasks[1].ti.key}
    driver.executor.revoke_task(ti=tasks[1].ti)  # type: ignore[arg-type]
    driver.no_pods()
    assert slow.ends(tasks[1]) == []


def test_a_slow_scheduler_makes_no_room_for_a_task_that_another_one_runs_by_now(
    make_driver: MakeDriver,
    start_scheduler: StartScheduler,
    database: Database,
    server: HoldingServer,
) -> None:
    # It had the task in memory only, and goes on where it was stopped: with creating its pod.
    server.holds = (hold := Hold("POST", "/pods"),)
    slow = start_scheduler(DEAD, database, config_file=server.kubeconfig, request_timeout=5)
    driver = make_driver(job_id=ONE)
    task = driver.task("sleep 4; echo once")
    slow.queue(task)
    assert hold.met.wait(20)
    slow.stop()
    driver.know(task, queued_by_job_id=ONE)
    assert driver.executor.try_adopt_task_instances([left_behind(task, "queued")]) == []
    [uid] = [driver.pod("Running")["metadata"]["uid"]]
    server.holds = ()
    slow.go_on()
    until(lambda: slow.running() == 0)
    assert driver.end(task) == ("success", None)
    assert [pod["metadata"]["uid"] for pod in driver.pods()] in ([uid], [])
    assert driver.every_log().count("once") == 1
    assert slow.ends(task) == []
    driver.no_pods()


def test_a_slow_scheduler_creates_no_pod_of_a_task_that_another_one_has_run_by_now(
    make_driver: MakeDriver,
    start_scheduler: StartScheduler,
    database: Database,
    server: HoldingServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD", "5")
    server.holds = (hold := Hold("POST", "/pods"),)
    options = {"config_file": server.kubeconfig, "request_timeout": 5}
    slow = start_scheduler(DEAD, database, **options, pod_creation_max_concurrency=1)
    driver = make_driver(job_id=ONE)
    tasks = [driver.task("echo once") for _ in range(3)]
    slow.queue(*tasks)
    assert hold.met.wait(20)
    slow.stop()
    for task, state in zip(tasks, ("queued", "queued", "failed"), strict=True):
        database.set(str(task.ti.id), state=state, queued_by_job_id=ONE)
    orphans = [left_behind(task, "queued") for task in tasks[:2]]
    assert driver.executor.try_adopt_task_instances(orphans) == []
    for task in tasks[:2]:
        assert driver.end(task) == ("success", None)
    driver.no_pods()  # their names are free again
    server.holds = (hold := Hold("POST", "/pods"),)
    slow.go_on()
    until(lambda: slow.running() == 0)
    assert not hold.met.is_set()
    assert [slow.ends(task) for task in tasks] == [[], [], []]


def test_a_pod_that_a_slow_scheduler_created_late_is_where_the_task_goes_on(
    make_driver: MakeDriver, start_scheduler: StartScheduler, database: Database
) -> None:
    slow, driver = start_scheduler(DEAD, database), make_driver(job_id=ONE)
    task = driver.task("sleep 3; echo once")
    slow.queue(task)
    pod = driver.pod("Running")
    slow.stop()
    database.set(str(task.ti.id), state="running", queued_by_job_id=ONE)
    driver.queue(task)  # its pod would have the same name
    driver.until(lambda: owner(driver).startswith(f"{ONE}-"))
    assert [each["metadata"]["uid"] for each in driver.pods()] == [pod["metadata"]["uid"]]
    assert driver.end(task) == ("success", None)
    driver.no_pods()
    assert driver.every_log().count("once") == 1
    assert len(driver.ends(task)) == 1


def test_a_worker_that_is_refused_gives_way_to_the_pod_in_which_the_task_runs(
    make_driver: MakeDriver, start_scheduler: StartScheduler, database: Database
) -> None:
    slow, driver = start_scheduler(DEAD, database), make_driver(job_id=ONE)
    task = driver.task('case "$HOSTNAME" in *-7) sleep 3; echo once;; *) exit 76;; esac')
    slow.queue(task)
    mine = driver.until(driver.pods)[0]
    slow.stop()
    metadata = mine["metadata"]
    path = f"/api/v1/namespaces/{driver.namespace}/pods"
    driver.cluster.request("DELETE", f"{path}/{metadata['name']}?gracePeriodSeconds=0")
    driver.no_pods()
    name = metadata["name"].removesuffix("1") + "7"
    notes = {**metadata["annotations"], "podlift.dev/launch": "7", "podlift.dev/execution": "late"}
    late = {"name": name, "labels": metadata["labels"], "annotations": notes}
    spec = {key: mine["spec"][key] for key in ("containers", "restartPolicy")}
    spec["containers"][0].pop("volumeMounts", None)
    manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": late, "spec": spec}
    status, created = driver.cluster.request("POST", path, manifest)
    assert status == 201, created
    driver.pod("Running")
    database.set(str(task.ti.id), state="running", queued_by_job_id=ONE)
    driver.queue(task)
    assert driver.end(task) == ("success", None)
    driver.no_pods()
    assert driver.every_log().count("once") == 1
    assert len(driver.ends(task)) == 1


def test_two_schedulers_mind_their_own_tasks(make_driver: MakeDriver, database: Database) -> None:
    one, other = make_driver(job_id=ONE), make_driver(job_id=OTHER)
    ours = [one.task(f"exit {number}") for number in range(4)]
    theirs = [other.task(f"exit {number}") for number in range(4)]
    one.queue(*ours)
    other.queue(*theirs)
    for mine, his in zip(ours, theirs, strict=True):
        assert one.end(mine)[0] == other.end(his)[0]
    one.no_pods()
    assert all(one.ends(task) == [] for task in theirs)
    assert all(other.ends(task) == [] for task in ours)


def test_adopting_again_what_is_ours_already_changes_nothing(
    make_driver: MakeDriver, database: Database
) -> None:
    # Airflow repeats it when its own transaction could not be completed.
    dead, driver = make_driver(job_id=DEAD), make_driver(job_id=ONE)
    task = dead.task("sleep 2; exit 3")
    dead.queue(task)
    dead.pod("Running")
    dead.executor.end()
    known(database, task, "running", ONE)
    for _ in range(2):
        assert driver.executor.try_adopt_task_instances([left_behind(task)]) == []
    assert driver.end(task)[0] == "failed"
    driver.no_pods()
    assert len(driver.ends(task)) == 1
    assert driver.executor.running == set()


def test_a_task_that_is_taken_back_while_its_pod_is_taken_over_leaves_no_pod(
    make_driver: MakeDriver, database: Database
) -> None:
    dead, driver = make_driver(job_id=DEAD), make_driver(job_id=ONE)
    task = dead.task(ENDLESS)
    dead.queue(task)
    dead.pod("Running")
    dead.executor.end()
    assert driver.executor.try_adopt_task_instances([left_behind(task)]) == []
    driver.executor.revoke_task(ti=task.ti)  # type: ignore[arg-type]
    driver.no_pods()
    assert driver.ends(task) == []
    assert driver.executor.running == set()


@pytest.mark.parametrize("code", [0, 1])
def test_a_pod_that_ended_does_not_stand_for_a_task_that_was_queued_again(
    make_driver: MakeDriver, database: Database, code: int
) -> None:
    # It was deferred, or taken back just when it began, and queued again by a scheduler that died
    # before it made the next pod. To report the first pod's end would fail the task: "finished, but
    # the task instance is queued".
    dead = make_driver(job_id=DEAD, delete_worker_pods=False)
    task = dead.task(f"sleep 1; echo was here; exit {code}")
    dead.queue(task)
    dead.end(task)
    dead.executor.end()
    known(database, task, "queued", ONE)
    driver = make_driver(job_id=ONE, delete_worker_pods=True)
    assert driver.executor.try_adopt_task_instances([left_behind(task, "queued")]) == []
    driver.pod("Running")
    assert driver.ends(task) == []
    assert driver.end(task)[0] == ("failed" if code else "success")
    assert driver.every_log().count("was here") == 2
