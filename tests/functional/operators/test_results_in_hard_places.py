"""Results of pods that make it hard to hand them over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from podlift.operators.errors import ResultNotRead

from .conftest import Task

pytestmark = pytest.mark.functional

MakeTask = Callable[..., Task]

FILE = "/airflow/xcom/return.json"
IMAGE = "busybox:1.36"
LARGE = (
    f"(printf '['; yes '\"the same again\",' | head -n 2900000 | tr -d '\\n'; printf '0]') > {FILE}"
)


def pod(**spec: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "base", "image": IMAGE}], **spec}}


def sidecar(name: str, script: str) -> dict[str, Any]:
    return {
        "name": name,
        "image": IMAGE,
        "restartPolicy": "Always",
        "command": ["sh", "-c", script],
    }


def beside(script: str) -> dict[str, Any]:
    base = {"name": "base", "image": IMAGE}
    return pod(
        containers=[base, {"name": "beside", "image": IMAGE, "command": ["sh", "-c", script]}]
    )


def test_many_results_of_short_tasks(task: MakeTask) -> None:
    """The sidecar may be told to end when it has hardly begun."""
    tasks = [task(f"echo {n} > {FILE}", task_id=f"task{n}", do_xcom_push=True) for n in range(10)]
    running = [each.start() for each in tasks]
    assert [each.result(timeout=120) for each in running] == list(range(10))


def test_a_pod_that_gets_little_time_to_end(task: MakeTask) -> None:
    spec = pod(terminationGracePeriodSeconds=0)
    assert len(task(LARGE, full_pod_spec=spec, do_xcom_push=True).run()) == 2_900_001


@pytest.mark.since_minor(29, "sidecars")
def test_sidecars_that_do_not_want_to_end(task: MakeTask) -> None:
    stubborn = sidecar("stubborn", "trap '' TERM; while true; do sleep 1; done")
    spec = pod(initContainers=[stubborn])
    assert task(f"echo 1 > {FILE}", full_pod_spec=spec, do_xcom_push=True).run() == 1


def test_a_container_beside_that_fails(task: MakeTask) -> None:
    failing = task(f"sleep 1; echo 1 > {FILE}", full_pod_spec=beside("exit 3"), do_xcom_push=True)
    assert failing.run() == 1


@pytest.mark.real_only("containers that run as users and on file systems of their own")
class TestRights:
    def test_of_nobody_in_particular_on_a_file_system_that_cannot_be_written(
        self, task: MakeTask
    ) -> None:
        locked = task(
            f"echo 1 > {FILE}",
            security_context={"runAsUser": 1000, "runAsNonRoot": True},
            container_security_context={
                "readOnlyRootFilesystem": True,
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
            },
            xcom_sidecar_container_security_context={
                "readOnlyRootFilesystem": True,
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
            },
            do_xcom_push=True,
        )
        assert locked.run() == 1

    def test_of_another_user_than_the_sidecar(self, task: MakeTask) -> None:
        open_file = task(
            f"echo 1 > {FILE}",
            security_context={"runAsUser": 1000},
            container_security_context={"runAsUser": 2000},
            do_xcom_push=True,
        )
        assert open_file.run() == 1

    def test_that_keep_the_file_from_the_sidecar(self, task: MakeTask) -> None:
        closed = task(
            f"umask 077; echo 1 > {FILE}",
            security_context={"runAsUser": 1000},
            container_security_context={"runAsUser": 2000},
            do_xcom_push=True,
        )
        with pytest.raises(ResultNotRead, match="run both as the same user"):
            closed.run()
        assert closed.pods() == []


def test_a_folder_of_the_users_own(task: MakeTask) -> None:
    own = task(
        f"echo 1 > {FILE}",
        volumes=[{"name": "own", "emptyDir": {"medium": "Memory"}}],
        volume_mounts=[{"name": "own", "mountPath": "/airflow/xcom"}],
        do_xcom_push=True,
    )
    assert own.run() == 1


def test_a_container_beside_that_does_not_want_to_end(task: MakeTask) -> None:
    """It uses up the pod's time to end, and the result has to come nevertheless."""
    stubborn = beside("trap '' TERM; while true; do sleep 1; done")
    large = task(LARGE, full_pod_spec=stubborn, do_xcom_push=True)
    assert len(large.run()) == 2_900_001
