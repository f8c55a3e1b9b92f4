"""What an Airflow connection and a hook's arguments say together."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.sdk import BaseHook, Connection
from airflow.sdk.exceptions import AirflowNotFoundException

from podlift.hooks.form import CONNECTION_TYPE
from podlift.hooks.kubernetes import KubernetesHook
from podlift.hooks.settings import InvalidConnection, Settings, settings_of

KUBECONFIG = {"current-context": "c", "clusters": []}


def test_nothing_said_means_whatever_is_found() -> None:
    assert settings_of({}) == Settings()
    assert settings_of(dict.fromkeys(CONNECTION_TYPE["conn-fields"], "")) == Settings()


def test_every_field_of_the_form_says_something() -> None:
    values: dict[str, Any] = {
        "in_cluster": True,
        "kube_config_path": "/a/kubeconfig",
        "kube_config": json.dumps(KUBECONFIG),
        "namespace": "n",
        "cluster_context": "c",
        "disable_verify_ssl": True,
        "disable_tcp_keepalive": True,
        "xcom_sidecar_container_image": "image",
        "xcom_sidecar_container_resources": '{"limits": {"cpu": 1}}',
        "xcom_sidecar_container_security_context": '{"runAsUser": 7}',
    }
    assert set(values) == set(CONNECTION_TYPE["conn-fields"])
    for name, value in values.items():
        assert settings_of({name: value}) != Settings(), name
        assert settings_of({f"extra__kubernetes__{name}": value}) == settings_of({name: value})


@pytest.mark.parametrize("text", [json.dumps(KUBECONFIG), "current-context: c\nclusters: []\n"])
def test_a_kubeconfig_is_json_or_yaml_or_a_mapping(text: str) -> None:
    assert settings_of({"kube_config": text}).config == KUBECONFIG
    assert settings_of({"kube_config": KUBECONFIG}).config == KUBECONFIG


@pytest.mark.parametrize(
    ("text", "truth"), [("True", True), ("false", False), ("1", True), ("no", False), (True, True)]
)
def test_a_uri_says_yes_and_no_in_text(text: Any, truth: bool) -> None:
    assert settings_of({"in_cluster": text}).in_cluster is truth


def test_an_argument_replaces_all_that_the_connection_says_of_the_place() -> None:
    extra = {"in_cluster": True, "namespace": "n"}
    found = settings_of(extra, config_file="/a/kubeconfig")
    assert (found.in_cluster, found.config_file, found.namespace) == (None, "/a/kubeconfig", "n")
    found = settings_of({"kube_config_path": "/a/kubeconfig"}, in_cluster=True)
    assert (found.in_cluster, found.config_file) == (True, None)
    assert settings_of({"disable_verify_ssl": True}, disable_verify_ssl=False).verify_ssl


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"in_cluster": True, "kube_config_path": "/a"}, "More than one of the connection's"),
        ({"in_cluster": "perhaps"}, "in_cluster is 'perhaps', not true or false"),
        ({"kube_config": "secret: ["}, "kube_config is neither JSON nor YAML"),
        ({"kube_config": "secret"}, "kube_config does not hold a mapping"),
    ],
)
def test_what_makes_no_sense_is_told_and_nothing_secret(
    extra: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidConnection, match=message) as error:
        settings_of(extra)
    assert "secret" not in str(error.value)


def test_only_the_default_connection_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(conn_id: str) -> Connection:
        raise AirflowNotFoundException(f"The conn_id `{conn_id}` isn't defined")

    monkeypatch.setattr(BaseHook, "get_connection", staticmethod(missing))
    assert KubernetesHook().settings == Settings()
    assert KubernetesHook(None).settings == Settings()
    with pytest.raises(AirflowNotFoundException, match="another"):
        _ = KubernetesHook("another").settings


async def test_a_trigger_reads_the_connection_without_a_blocked_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def found(conn_id: str) -> Connection:
        return Connection(conn_id=conn_id, conn_type="kubernetes", extra='{"namespace": "n"}')

    def blocking(conn_id: str) -> Connection:
        raise AssertionError("this would block the event loop")

    monkeypatch.setattr(BaseHook, "aget_connection", staticmethod(found))
    monkeypatch.setattr(BaseHook, "get_connection", staticmethod(blocking))
    hook = KubernetesHook(**KubernetesHook("a", cluster_context="c").arguments())
    assert (await hook.read()).context == "c"
    assert hook.namespace() == "n"


def test_airflow_makes_the_hook_by_the_name_of_its_parameter() -> None:
    given: dict[str, Any] = {KubernetesHook.conn_name_attr: "a"}
    assert KubernetesHook(**given).conn_id == "a"
