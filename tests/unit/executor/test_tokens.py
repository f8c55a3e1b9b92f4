"""Tokens, and for how long they are valid by Airflow's configuration."""

from __future__ import annotations

from typing import Any

import jwt
import pytest
from airflow.api_fastapi.auth.tokens import JWTGenerator
from tests.unit.executor.made_tasks import task

from podlift.executor.deployment import token_lifetime
from podlift.executor.tokens import Tokens
from podlift.settings import load_settings

_LONG = "3000"


def claims_of(token: str) -> dict[str, Any]:
    return jwt.decode(token, options={"verify_signature": False})


def generator() -> JWTGenerator:
    return JWTGenerator(
        secret_key="s" * 64, valid_for=60, audience="api", issuer="airflow", algorithm="HS512"
    )


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
    tokens = Tokens(generator(), token_lifetime(settings))
    claims = claims_of(tokens.of(task(), "the-task", False))
    assert claims["sub"] == "the-task"
    assert claims["exp"] - claims["iat"] >= at_least + 60  # for clocks that differ


def test_the_schedulers_token_will_do_for_the_first_pod_alone() -> None:
    tokens = Tokens(generator(), 700)
    token = tokens.generate({"sub": "the-task", "scope": "workload"}, valid_for=600)
    assert tokens.of(task(token=token), "the-task", False) == token
    another = tokens.of(task(token=token), "the-task", True)
    assert claims_of(another)["jti"] != claims_of(token)["jti"]


@pytest.mark.parametrize(
    "token",
    [
        generator().generate({"sub": "the-task"}, valid_for=699),
        "",
        "no token",
        "a.b.c",
        "a.e30.c",
        "a.ä.c",
    ],
)
def test_one_that_does_not_last_or_says_nothing_of_it_is_replaced(token: str) -> None:
    claims = claims_of(Tokens(generator(), 700).of(task(token=token), "the-task", False))
    assert claims["exp"] - claims["iat"] >= 700
