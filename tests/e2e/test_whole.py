"""A whole Airflow with PostgreSQL: one run of a DAG that has a bit of everything."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.e2e.postgres import postgres
from tests.e2e.whole_run import DAGS, RUN, Scene, Seen, play

if TYPE_CHECKING:
    from tests.functional.conftest import Cluster
    from tests.machine import Machine

pytestmark = [pytest.mark.functional, pytest.mark.postgres]


@pytest.fixture(scope="module")
def space(cluster: Cluster) -> Iterator[str]:
    """A namespace whose pods may run pods, as the operator in a task's pod must."""
    name = f"e2e-{secrets.token_hex(4)}"
    cluster.make_namespace(name)
    rights = {
        "metadata": {"name": "tasks-run-pods"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"},
        "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": name}],
    }
    path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{name}/rolebindings"
    status, answer = cluster.request("POST", path, rights)
    assert status in (201, 404), answer  # the local cluster knows no rights: everybody may
    yield name
    cluster.remove_namespace(name)


@pytest.fixture(scope="module")
def seen(
    cluster: Cluster, machine: Machine, space: str, tmp_path_factory: pytest.TempPathFactory
) -> Seen:
    """One run, of which every test says something."""
    folder = tmp_path_factory.mktemp("airflow")
    with postgres() as database:
        scene = Scene(
            folder=folder,
            database=database,
            kubeconfig=cluster.kubeconfig,
            namespace=space,
            address=machine.address,
            template=template_of(machine, folder / "pods"),
        )
        return asyncio.run(play(scene))


def template_of(machine: Machine, home: Path) -> dict[str, Any]:
    """Task pods have a home of their own: what Airflow shows of their logs came the kept way."""
    home.mkdir()
    (home / "airflow.cfg").touch()  # or every pod would write one
    pod: dict[str, Any] = machine.pod(
        "python",
        "-m",
        "podlift.worker",
        folders=(home,),
        AIRFLOW_HOME=str(home),
        AIRFLOW__CORE__DAGS_FOLDER=str(DAGS),
        AIRFLOW__CORE__LOAD_EXAMPLES="False",
        AIRFLOW__CORE__HOSTNAME_CALLABLE="socket.gethostname",
    )
    # As many at once as two cores bear.
    pod["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "300m"}}
    return pod


def states(seen: Seen, task: str) -> list[str]:
    return [each["state"] for each in seen.tasks[task]]


def task_pods(seen: Seen, task: str) -> list[dict[str, Any]]:
    """The pods of the task's tries, without those that its operator ran."""
    return [
        pod
        for pod in seen.pods.values()
        if pod["metadata"]["labels"].get("task_id") == task
        and "podlift.dev/executor" in pod["metadata"]["labels"]
    ]


def test_a_run_with_a_failing_task_fails(seen: Seen) -> None:
    assert seen.run_state == "failed"


def test_mapped_tasks_get_a_pod_each(seen: Seen) -> None:
    assert states(seen, "double") == ["success"] * 3
    indexes = {pod["metadata"]["labels"]["map_index"] for pod in task_pods(seen, "double")}
    assert indexes == {"0", "1", "2"}
    assert len(task_pods(seen, "double")) == 3
    assert "doubling 2" in seen.logs["double[1]", 1]


def test_results_go_from_task_to_task(seen: Seen) -> None:
    assert seen.xcoms["numbers"] == [1, 2, 3]
    assert seen.xcoms["total"] == 12


def test_a_task_that_fails_once_succeeds_in_a_second_pod(seen: Seen) -> None:
    assert states(seen, "second_try") == ["success"]
    assert [each["state"] for each in seen.tries["second_try"]] == ["failed", "success"]
    numbers = [pod["metadata"]["labels"]["try_number"] for pod in task_pods(seen, "second_try")]
    assert sorted(numbers) == ["1", "2"]
    assert "the first try fails" in seen.logs["second_try", 1]
    assert "the first try fails" not in seen.logs["second_try", 2]


def test_a_task_that_fails_shows_its_traceback(seen: Seen) -> None:
    assert states(seen, "bad") == ["failed"]
    assert len(task_pods(seen, "bad")) == 1
    assert "Task failed with exception" in seen.logs["bad", 1]


def test_a_deferred_task_gives_its_pod_back_and_gets_another(seen: Seen) -> None:
    assert states(seen, "wait") == ["success"]
    assert seen.tasks["wait"][0]["try_number"] == 1
    assert len(task_pods(seen, "wait")) == 2


def test_a_task_whose_pod_is_evicted_runs_again_in_the_same_try(seen: Seen) -> None:
    [instance] = seen.tasks["taken_away"]
    assert (instance["state"], instance["try_number"], instance["max_tries"]) == ("success", 1, 0)
    assert [each["state"] for each in seen.tries["taken_away"]] == ["success"]
    launches = [
        pod["metadata"]["annotations"]["podlift.dev/launch"]
        for pod in task_pods(seen, "taken_away")
    ]
    assert sorted(launches) == ["1", "2"]
    log = seen.logs["taken_away", 1]
    assert log.index("waiting in the first pod") < log.index("left alone in the second pod")
    assert any("evicted" in told and "Another pod is started" in told for told in seen.told)


def test_an_operator_runs_a_container_from_within_a_pod(seen: Seen) -> None:
    assert states(seen, "container") == ["success"]
    assert f"hello from container of {RUN}" in seen.logs["container", 1]
    [kept] = [pod for pod in seen.left if pod["metadata"]["labels"]["task_id"] == "container"]
    assert kept["status"]["phase"] == "Succeeded"
    assert kept["metadata"]["annotations"]["run_id"] == RUN


def test_an_operator_whose_container_fails_says_why(seen: Seen) -> None:
    assert states(seen, "exit_3") == ["failed"]
    log = seen.logs["exit_3", 1]
    assert "bye" in log
    assert "Container 'base' ended with exit code 3" in log


def test_nothing_is_left_but_the_pod_that_was_to_be_kept(seen: Seen) -> None:
    assert [pod["metadata"]["labels"]["task_id"] for pod in seen.left] == ["container"]
