"""Connections and variables in Secrets of a cluster."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest

from podlift.secrets.asking import SecretsNotRead
from podlift.secrets.kubernetes import (
    CONNECTIONS_LABEL,
    TEAM_LABEL,
    VARIABLES_LABEL,
    KubernetesSecretsBackend,
)

pytestmark = pytest.mark.functional


class Api(Protocol):
    kubeconfig: Path
    token: str
    url: str

    def request(self, method: str, path: str, body: Any = None) -> tuple[int, Any]: ...


@pytest.fixture
def make(cluster: Api, namespace: str) -> Callable[..., None]:
    def make(name: str, value: str, **labels: str) -> None:
        data = {"value": base64.b64encode(value.encode()).decode()}
        secret = {"metadata": {"name": name, "labels": labels}, "data": data}
        path = f"/api/v1/namespaces/{namespace}/secrets"
        status, answer = cluster.request("POST", path, secret)
        assert status == 201, answer

    return make


@pytest.fixture
def backend(cluster: Api, namespace: str) -> KubernetesSecretsBackend:
    return KubernetesSecretsBackend(
        namespace=namespace, config_file=str(cluster.kubeconfig), variables_prefix="var-"
    )


def test_secrets_are_found_by_their_labels_and_names(
    make: Callable[..., None], backend: KubernetesSecretsBackend
) -> None:
    make("anything", "postgres://host/db", **{CONNECTIONS_LABEL: "my_db"})
    make("second", "for all", **{VARIABLES_LABEL: "a"})
    make("first", "of blue", **{VARIABLES_LABEL: "a", TEAM_LABEL: "blue"})
    make("var-named", "by name")
    assert backend.get_conn_value("my_db") == "postgres://host/db"
    assert backend.get_variable("a") == "for all"
    assert backend.get_variable("a", team_name="blue") == "of blue"
    assert backend.get_variable("Named") == "by name"
    assert backend.get_variable("nobody") is None
    assert backend.get_config("nobody") is None


async def test_it_works_where_an_event_loop_runs(
    make: Callable[..., None], backend: KubernetesSecretsBackend
) -> None:
    make("second", "found", **{VARIABLES_LABEL: "a"})
    assert backend.get_variable("a") == "found"


def test_airflow_finds_a_connection_and_a_variable_through_it(
    make: Callable[..., None], cluster: Api, namespace: str
) -> None:
    make("one", "http://user@host:80/path", **{CONNECTIONS_LABEL: "web"})
    make("two", "a value", **{VARIABLES_LABEL: "a"})
    kwargs = f'{{"namespace": "{namespace}", "config_file": "{cluster.kubeconfig}"}}'
    code = (
        "from airflow.configuration import ensure_secrets_loaded as load;"
        "[b] = [each for each in load() if 'podlift' in type(each).__module__];"
        "c = b.get_connection('web');"
        "print(c.host, c.port, b.get_variable('a'))"
    )
    backend = {
        "AIRFLOW__SECRETS__BACKEND": "podlift.secrets.kubernetes.KubernetesSecretsBackend",
        "AIRFLOW__SECRETS__BACKEND_KWARGS": kwargs,
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **backend},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "host 80 a value"


def test_a_server_that_is_away_is_told_in_a_sentence(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
        "clusters: [{name: c, cluster: {server: 'https://127.0.0.1:9'}}]\n"
        "contexts: [{name: c, context: {cluster: c, user: c}}]\n"
        "users: [{name: c, user: {token: t}}]"
    )
    backend = KubernetesSecretsBackend(config_file=str(kubeconfig), timeout=2)
    began = time.monotonic()
    with pytest.raises(SecretsNotRead, match=r"cannot be read: .*refused"):
        backend.get_variable("a")
    assert time.monotonic() - began < 10


def test_a_token_that_was_replaced_is_read_anew(
    make: Callable[..., None], cluster: Api, namespace: str, tmp_path: Path
) -> None:
    if not cluster.token:
        pytest.fail("the cluster's kubeconfig has no token to replace")
    make("one", "found", **{VARIABLES_LABEL: "a"})
    kubeconfig = tmp_path / "kubeconfig"
    good = cluster.kubeconfig.read_text()
    kubeconfig.write_text(good.replace(cluster.token, "wrong"))
    backend = KubernetesSecretsBackend(namespace=namespace, config_file=str(kubeconfig))
    with pytest.raises(SecretsNotRead, match="did not accept our credentials"):
        backend.get_variable("a")
    kubeconfig.write_text(good)
    assert backend.get_variable("a") == "found"
