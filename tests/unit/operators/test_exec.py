"""What ``KubernetesPodExecOperator`` refuses before it asks a cluster."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk.bases.operator import ExecutorSafeguard

from podlift.operators.errors import CommandFailed
from podlift.operators.exec import KubernetesPodExecOperator


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"command": "ls /tmp", "pod_name": "p"}, "must be a list of strings.*'ls /tmp'"),
        ({"command": [], "pod_name": "p"}, "must be a list of strings"),
        ({"command": ["ls", 1], "pod_name": "p"}, "must be a list of strings"),
        ({"command": ["ls"]}, "pod_name or label_selector"),
        ({"command": ["ls"], "pod_name": "p", "label_selector": "l"}, "not both"),
    ],
)
def test_what_makes_no_sense_is_refused(parameters: Any, sentence: str) -> None:
    operator = KubernetesPodExecOperator(task_id="t", **parameters)
    ExecutorSafeguard.tracker.set(operator)
    with pytest.raises(CommandFailed, match=sentence):
        operator.execute({})


def test_a_limit_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="more than 0"):
        KubernetesPodExecOperator(task_id="t", command=["ls"], max_xcom_output_size=0)
