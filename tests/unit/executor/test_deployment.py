"""What all pods of an executor have in common, from Airflow's configuration."""

from __future__ import annotations

import base64
import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from airflow.api_fastapi.auth.tokens import JWTGenerator
from airflow.executors.workloads import BundleInfo, ExecuteTask, TaskInstanceDTO

from podlift.executor.deployment import deployment_of
from podlift.settings import load_settings

_LONG = "3000"


def task() -> ExecuteTask:
    ti = TaskInstanceDTO(
        id=uuid.uuid4(),
        dag_version_id=uuid.uuid4(),
        dag_id="d",
        task_id="t",
        run_id="r",
        try_number=1,
        map_index=-1,
        pool_slots=1,
        queue="default",
        priority_weight=1,
    )
    bundle = BundleInfo(name="dags")
    return ExecuteTask(
        ti=ti, dag_rel_path=Path("d.py"), token="", bundle_info=bundle, log_path=None
    )


def claims_of(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return claims


@pytest.mark.parametrize(
    ("queued", "pending", "at_least"),
    [("700", None, 700 + 30), ("700", _LONG, 3000), (_LONG, "700", 3000 + 30)],
)
def test_a_token_outlives_every_wait_that_a_pod_may_have(
    monkeypatch: pytest.MonkeyPatch, queued: str, pending: str | None, at_least: int
) -> None:
    monkeypatch.setenv("AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT", queued)
    monkeypatch.setenv("AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL", "30")
    given = {"pending_timeout": pending}
    settings = load_settings(lambda section, name: given.get(name))
    generator = JWTGenerator(
        secret_key="s" * 64, valid_for=60, audience="api", issuer="airflow", algorithm="HS512"
    )
    mint = deployment_of(settings, "1-a", None, generator).mint
    claims = claims_of(mint(task(), "the-task"))
    assert claims["sub"] == "the-task"
    assert claims["exp"] - claims["iat"] >= at_least + 60  # for clocks that differ
