"""Tasks that give their worker back when a part of the work is done."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk.bases.operator import ExecutorSafeguard
from airflow.sdk.exceptions import TaskDeferred
from tests.functional.operators.test_reattach import (
    airflow,
    next_try,
    started_then_told_to_stop,
    with_retries,
)

from podlift.hooks.kubernetes import KubernetesHook
from podlift.kube import PODS
from podlift.operators import KubernetesPodOperator
from podlift.triggers.pod import KubernetesPodTrigger

from .conftest import MakeTask, Triggerer, deferred, resumed

if TYPE_CHECKING:
    from tests.functional.conftest import Cluster

__all__ = ["airflow"]

pytestmark = pytest.mark.functional

LINES = "for i in $(seq 1 60); do echo line $i; sleep 0.03; done"
WHOLE = [f"line {number}" for number in range(1, 61)]


def lines(task: Any) -> list[str]:
    return [line for line in task.log.lines if line.startswith("line ")]


@pytest.mark.usefixtures("airflow")
def test_a_pod_that_a_worker_began_to_follow_is_gone_on_with_in_the_triggerer(
    task: MakeTask, triggerer: Triggerer
) -> None:
    waiting = with_retries(task(LINES))
    started_then_told_to_stop(waiting, "line 10")
    waiting.operator.deferrable = True
    event = triggerer.start(deferred(next_try(waiting))).event()
    assert lines(waiting) == WHOLE
    resumed(waiting, event)
    assert waiting.pods() == []


def test_a_pod_that_a_triggerer_followed_is_gone_on_with_in_a_worker(task: MakeTask) -> None:
    waiting = with_retries(task(LINES, deferrable=True))
    first = Triggerer()
    first.start(deferred(waiting))
    waiting.log.wait_for("line 10")
    first.stop()
    waiting.operator.deferrable = False
    next_try(waiting).run()
    assert lines(waiting) == WHOLE
    assert waiting.pods() == []


class Late(KubernetesPodOperator):
    """Does something itself, and decides only then."""

    def execute(self, context: Any) -> Any:
        self.log.info("something of its own")
        self.deferrable = True
        return super().execute(context)


def test_an_operator_may_decide_it_after_work_of_its_own(
    task: MakeTask, triggerer: Triggerer
) -> None:
    waiting = task(LINES)
    given = {name: getattr(waiting.operator, name) for name in ("image", "cmds", "namespace")}
    waiting.operator = Late(task_id="late", **given)
    event = triggerer.start(deferred(waiting)).event()
    assert waiting.log.lines[0] == "something of its own"
    resumed(waiting, event)
    assert lines(waiting) == WHOLE
    assert waiting.pods() == []


def test_an_operator_of_ones_own_may_wait_for_any_pod(
    task: MakeTask, triggerer: Triggerer, cluster: Cluster, namespace: str
) -> None:
    """As in the documentation: the pod was made by something else, and is not Podlift's."""

    class Waiter(KubernetesPodOperator):
        def execute(self, context: Any) -> Any:
            self.defer(
                trigger=KubernetesPodTrigger(
                    pod_name="foreign",
                    pod_namespace=namespace,
                    hook=KubernetesHook(None, config_file=str(cluster.kubeconfig)).arguments(),
                ),
                method_name="gone_on",
            )

        def gone_on(self, context: Any, event: dict[str, Any]) -> str:
            return str(event["status"])

    waiting = task("true")
    container = {"name": "base", "image": "busybox:1.36", "command": ["sh", "-c", LINES]}
    manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "foreign"},
        "spec": {"restartPolicy": "Never", "containers": [container]},
    }
    path = f"/api/v1/namespaces/{namespace}/{PODS.plural}"
    assert cluster.request("POST", path, manifest)[0] == 201
    operator = Waiter(task_id="waiter", image="none")
    ExecutorSafeguard.tracker.set(operator)
    with pytest.raises(TaskDeferred) as raised:
        operator.execute({"ti": waiting.instance})
    event = triggerer.start(raised.value).event()
    assert operator.gone_on({}, json.loads(json.dumps(event))) == "success"
    assert lines(waiting) == WHOLE
    assert len(waiting.pods()) == 1, "it is not ours to delete"
