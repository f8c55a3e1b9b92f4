"""Tasks that run Jobs, and other objects, on a cluster."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from podlift.operators.custom_object import CustomObjectOperator
from podlift.operators.job import KubernetesJobOperator

from .conftest import Api, Task, TaskInstance, TaskLog


@dataclass(frozen=True)
class JobTaskInstance(TaskInstance):
    """One that takes what the operator hands to other tasks."""

    pushed: dict[str, Any] = field(default_factory=dict)

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = value


class JobTask(Task):
    """A task of a Job, and the Jobs that there are."""

    def __init__(
        self, api: Api, namespace: str, log: TaskLog, operator: Any, instance: TaskInstance
    ) -> None:
        super().__init__(api, namespace, log, operator)
        self.instance: Any = instance
        self._jobs_path = f"/apis/batch/v1/namespaces/{namespace}/jobs"

    def jobs(self) -> list[Any]:
        _, body = self._api.request("GET", self._jobs_path)
        return [job for job in body["items"] if "deletionTimestamp" not in job["metadata"]]

    def wait_until_gone(self) -> None:
        path = self._jobs_path
        for _ in range(600):
            if not self._api.request("GET", path)[1]["items"] and not self.pods():
                return
            time.sleep(0.05)
        raise AssertionError("the Job or its pods are still there")


MakeJob = Callable[..., JobTask]
MakeObject = Callable[..., JobTask]


@pytest.fixture
def job(
    cluster: Api, namespace: str, log: TaskLog, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MakeJob]:
    """Makes a task that waits for a Job; ``shell`` is a script for ``sh -c``."""
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    made: list[JobTask] = []

    def make(shell: str = "true", instance: TaskInstance | None = None, **given: Any) -> JobTask:
        parameters: dict[str, Any] = {
            "task_id": "a_job",
            "image": "busybox:1.36",
            "namespace": namespace,
            "cmds": ["sh", "-c", shell],
            "wait_until_job_complete": True,
        }
        operator = KubernetesJobOperator(**parameters | given)
        instance = instance or JobTaskInstance(operator.task_id)
        made.append(JobTask(cluster, namespace, log, operator, instance))
        return made[-1]

    yield make
    for each in made:
        each.operator.on_kill()


@pytest.fixture
def run_object(
    cluster: Api, namespace: str, log: TaskLog, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MakeObject]:
    """Makes a task of an object."""
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    made: list[JobTask] = []

    def make(kind: type[Any] = CustomObjectOperator, **given: Any) -> JobTask:
        operator = kind(**{"task_id": "an_object", "namespace": namespace} | given)
        instance = JobTaskInstance(operator.task_id)
        made.append(JobTask(cluster, namespace, log, operator, instance))
        return made[-1]

    yield make
    for each in made:
        each.operator.on_kill()


def try_2(first: TaskInstance) -> TaskInstance:
    return JobTaskInstance(first.task_id, run_id=first.run_id, try_number=2)
