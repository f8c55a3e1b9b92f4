"""The hook on a cluster: both ways in, and the test of a connection."""

from __future__ import annotations

import json
from typing import Any, Protocol

import pytest
import yaml

from podlift.hooks.kubernetes import KubernetesHook
from podlift.kube import PODS

pytestmark = pytest.mark.functional


class Api(Protocol):
    kubeconfig: Any
    url: str

    def request(self, method: str, path: str, body: Any = None) -> tuple[int, Any]: ...


@pytest.fixture(autouse=True)
def nothing_around(monkeypatch: pytest.MonkeyPatch) -> None:
    """No kubeconfig is found by itself."""
    monkeypatch.setenv("KUBECONFIG", "/no/such/kubeconfig")


def connect(monkeypatch: pytest.MonkeyPatch, **extra: Any) -> KubernetesHook:
    """A hook of an Airflow connection with these fields."""
    connection = {"conn_type": "kubernetes", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_CLUSTER", json.dumps(connection))
    return KubernetesHook("cluster")


async def test_a_connection_can_hold_the_kubeconfig_itself(
    cluster: Api, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = connect(monkeypatch, kube_config=cluster.kubeconfig.read_text(), namespace=namespace)
    async with hook.client() as client:
        assert (await client.list(PODS, hook.namespace())).items == []


async def test_a_dict_does_as_well(cluster: Api, namespace: str) -> None:
    content = yaml.safe_load(cluster.kubeconfig.read_text())
    async with KubernetesHook(None, config_dict=content).client() as client:
        assert (await client.list(PODS, namespace)).items == []


async def test_a_certificate_that_nobody_vouches_for_is_taken_if_asked(cluster: Api) -> None:
    content = yaml.safe_load(cluster.kubeconfig.read_text())
    for each in content["clusters"]:
        each["cluster"].pop("certificate-authority-data", None)
        each["cluster"].pop("certificate-authority", None)
    trusting = KubernetesHook(None, config_dict=content, disable_verify_ssl=True)
    async with trusting.client() as client:
        assert "gitVersion" in await client.server_version()
    works, sentence = await _tested(KubernetesHook(None, config_dict=content))
    assert not works
    assert "certificate" in sentence


async def _tested(hook: KubernetesHook) -> tuple[bool, str]:
    import asyncio

    return await asyncio.to_thread(hook.test_connection)


def test_a_connection_is_tested_by_asking_for_the_version(
    cluster: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    works, sentence = connect(
        monkeypatch, kube_config_path=str(cluster.kubeconfig)
    ).test_connection()
    assert works
    assert sentence.startswith("Kubernetes v1.")
    assert cluster.url in sentence
    works, sentence = connect(monkeypatch).test_connection()
    assert not works
    assert "There is no kubeconfig" in sentence
    assert not connect(monkeypatch, in_cluster="perhaps").test_connection()[0]


@pytest.mark.parametrize("way", ["file", "dict"])
def test_the_official_clients_are_made_of_the_same_settings(
    cluster: Api, namespace: str, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    if way == "file":
        hook = connect(monkeypatch, kube_config_path=str(cluster.kubeconfig), namespace=namespace)
    else:
        content = cluster.kubeconfig.read_text()
        hook = connect(monkeypatch, kube_config=content, namespace=namespace)
    pod = {
        "metadata": {"name": "a"},
        "spec": {
            "restartPolicy": "Never",
            "containers": [{"name": "base", "image": "busybox:1.36", "command": ["true"]}],
        },
    }
    hook.core_v1_client.create_namespaced_pod(namespace, pod)
    assert hook.get_pod("a", namespace).metadata.name == "a"
    assert [each.metadata.name for each in hook.get_namespaced_pod_list().items] == ["a"]
    assert hook.batch_v1_client.list_namespaced_job(namespace).items == []
    assert hook.get_namespace() == namespace
    assert hook.get_conn() is hook.api_client
