"""The deployment's ``pod_mutation_hook``, on the pods of operators."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from airflow.policies import hookimpl
from airflow.settings import get_policy_plugin_manager

from podlift.operators.errors import PodNotCreated

from .job_tasks import MakeJob, job
from .test_pod import MakeTask

__all__ = ["job"]

pytestmark = pytest.mark.functional

Mutation = Callable[[Any], None]


@pytest.fixture
def policy() -> Iterator[Callable[[Mutation], None]]:
    """Registers a hook as a deployment's policy plugin does."""
    registered: list[type[Any]] = []

    def register(mutation: Mutation) -> None:
        class Policy:
            @staticmethod
            @hookimpl
            def pod_mutation_hook(pod: Any) -> None:
                mutation(pod)

        get_policy_plugin_manager().register(Policy)
        registered.append(Policy)

    yield register
    for each in registered:
        get_policy_plugin_manager().unregister(each)


def _charged(pod: Any) -> None:
    pod.metadata.name = "another"
    pod.metadata.labels = {"cost-center": "4711"}


def test_a_pod_is_made_as_the_deployment_wants_it(
    task: MakeTask, policy: Callable[[Mutation], None]
) -> None:
    policy(_charged)
    made = task("true", on_finish_action="keep_pod")
    made.run()
    (pod,) = made.pods()
    assert pod["metadata"]["labels"]["cost-center"] == "4711"
    assert pod["metadata"]["labels"]["task_id"] == "a_task"
    assert pod["metadata"]["name"] != "another"


def test_so_are_the_pods_of_a_job(job: MakeJob, policy: Callable[[Mutation], None]) -> None:
    policy(_charged)
    made = job("echo charged", on_finish_action="keep_pod")
    made.run()
    (pod,) = made.pods()
    assert pod["metadata"]["labels"]["cost-center"] == "4711"
    assert pod["metadata"]["labels"]["app.kubernetes.io/component"] == "job"
    assert "charged" in made.log.lines


def test_a_hook_that_refuses_fails_the_task_in_words(
    task: MakeTask, policy: Callable[[Mutation], None]
) -> None:
    def refuse(pod: Any) -> None:
        raise RuntimeError("no cost center")

    policy(refuse)
    refused = task("true")
    with pytest.raises(PodNotCreated, match="pod_mutation_hook failed with RuntimeError: no cost"):
        refused.run()
    assert refused.pods() == []
