"""Tasks whose pods outlive those who wait for them."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

from airflow.sdk import dag

from podlift.operators import KubernetesPodOperator

SCRIPT = 'for i in $(seq 1 "$LINES"); do echo "line $i"; sleep 0.2; done'


def _lines(task_id: str, number: int, **parameters: Any) -> None:
    KubernetesPodOperator(
        task_id=task_id,
        image="busybox:1.36",
        namespace=os.environ.get("PODS_NAMESPACE"),
        cmds=["sh", "-c", SCRIPT],
        env_vars={"LINES": str(number)},
        termination_grace_period=1,
        retry_delay=timedelta(seconds=1),
        **parameters,
    )


@dag(schedule=None, catchup=False, is_paused_upon_creation=False)
def pods() -> None:
    _lines("deferred", 150, deferrable=True)
    _lines("deferred_then_ended", 5000, deferrable=True)
    _lines("crashed", 80, retries=1)
    _lines("drained", 80, retries=1)
    _lines("ended", 5000, retries=1)


pods()
