"""What the backend does without a cluster."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from podlift.secrets.asking import Found, SecretsNotRead, SecretsOfNamespace
from podlift.secrets.kubernetes import KubernetesSecretsBackend, _Cache


class Memory(SecretsOfNamespace):
    """Secrets that are known by the question that finds them."""

    def __init__(self, **found: str) -> None:
        super().__init__()
        self.found = found
        self.asked: list[str] = []

    def by_labels(self, selector: str) -> Found | None:
        return self._answer(selector)

    def by_name(self, name: str) -> Found | None:
        return self._answer(name)

    def _answer(self, question: str) -> Found | None:
        self.asked.append(question)
        text = self.found.get(question)
        return None if text is None else Found("a-secret", {"value": text})


def backend(secrets: Memory, **parameters: Any) -> KubernetesSecretsBackend:
    made = KubernetesSecretsBackend(**parameters)
    made._secrets = secrets
    return made


def test_airflow_makes_the_backend_without_what_asks_the_cluster() -> None:
    code = (
        "import airflow, airflow.secrets, sys; before = set(sys.modules);"
        "from podlift.secrets.kubernetes import KubernetesSecretsBackend as B; B();"
        "print(*(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {
        "aiohttp",
        "msgspec",
        "kubernetes_asyncio",
        "podlift.kube",
        "podlift.secrets.asking",
    }.isdisjoint(done.stdout.split())


VALUE = "YQ=="


def test_a_key_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(SecretsNotRead, match="Secret s has no key 'value', but a, b"):
        Found("s", {"b": VALUE, "a": VALUE}).text("value")


def test_what_is_no_text_is_told() -> None:
    with pytest.raises(SecretsNotRead, match=r"Secret s, key 'value': .*utf-8"):
        Found("s", {"value": "/w=="}).text("value")


def encoded(**found: str) -> Memory:
    import base64

    return Memory(
        **{key: base64.b64encode(value.encode()).decode() for key, value in found.items()}
    )


def test_connections_variables_and_configuration_have_labels_of_their_own() -> None:
    label, team = "airflow.apache.org", "!airflow.apache.org/team"
    secrets = encoded(
        **{
            f"{label}/connection-id=a,{team}": "http://a",
            f"{label}/variable-key=a,{team}": "variable",
            f"{label}/config-key=a,{team}": "config",
        }
    )
    made = backend(secrets)
    assert made.get_conn_value("a") == "http://a"
    assert made.get_variable("a") == "variable"
    assert made.get_config("a") == "config"
    assert made.get_variable("b") is None


def test_a_label_of_none_asks_nobody() -> None:
    secrets = encoded()
    made = backend(secrets, variables_label=None)
    assert made.get_variable("a") is None
    assert secrets.asked == []


def test_a_team_has_its_own_before_everybodys() -> None:
    secrets = encoded(**{"l=a,t=blue": "of blue", "l=a,!t": "of all", "l=b,!t": "of all"})
    made = backend(secrets, variables_label="l", team_label="t")
    assert made.get_variable("a", team_name="blue") == "of blue"
    assert made.get_variable("b", team_name="blue") == "of all"
    assert made.get_variable("a") == "of all"


def test_what_is_a_teams_by_its_name_is_nobody_elses() -> None:
    secrets = encoded()
    assert backend(secrets).get_conn_value("_blue___db") is None
    assert secrets.asked == []


def test_keys_that_no_label_can_say_are_found_by_name() -> None:
    secrets = encoded(**{"var-a-key-with-spaces": "found"})
    made = backend(secrets, variables_prefix="var-")
    assert made.get_variable("A key_with spaces") == "found"
    assert secrets.asked == ["var-a-key-with-spaces"]


def test_answers_are_remembered_for_their_time_and_nothing_is_an_answer_too() -> None:
    now: Iterator[int] = count(0, 10)
    asked: list[int] = []
    cache = _Cache(25, clock=lambda: next(now))

    def ask() -> None:
        asked.append(1)

    for _ in range(3):  # at 0, 10 and 20 seconds
        assert cache.get(("a",), ask) is None
    assert len(asked) == 1
    cache.get(("a",), ask)
    assert len(asked) == 2
    cache.get(("b",), ask)
    assert len(asked) == 3


def test_what_went_wrong_is_not_remembered() -> None:
    cache = _Cache(60)

    def wrong() -> str:
        raise SecretsNotRead("no")

    with pytest.raises(SecretsNotRead):
        cache.get(("a",), wrong)
    assert cache.get(("a",), lambda: "right") == "right"
