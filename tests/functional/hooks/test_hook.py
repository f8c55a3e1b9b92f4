"""The hook on a cluster: both ways in, and the test of a connection."""

from __future__ import annotations

import json
from typing import Any, Protocol

import pytest
import yaml

from podlift.hooks.kubernetes import KubernetesHook
from podlift.hooks.settings import InvalidConnection
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


def a_job(name: str, shell: str) -> dict[str, Any]:
    container = {"name": "base", "image": "busybox:1.36", "command": ["sh", "-c", shell]}
    pod = {"restartPolicy": "Never", "containers": [container]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"backoffLimit": 0, "suspend": True, "template": {"spec": pod}},
    }


def test_jobs_are_made_changed_and_waited_for(
    cluster: Api, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = connect(monkeypatch, kube_config_path=str(cluster.kubeconfig), namespace=namespace)
    hook.create_job(a_job("good", "echo from the job"))
    hook.apply_from_yaml_file(yaml_objects=[a_job("bad", "exit 3")], namespace=namespace)
    names = [each.metadata.name for each in hook.list_jobs_from_namespace(namespace).items]
    assert sorted(names) == ["bad", "good"]
    everywhere = hook.list_jobs_all_namespaces().items
    assert {"good", "bad"} <= {each.metadata.name for each in everywhere}
    assert not hook.is_job_complete(hook.get_job("good", namespace))
    for name in names:
        changed = hook.patch_namespaced_job(name, namespace, {"spec": {"suspend": False}})
        assert changed.spec.suspend is False
    good = hook.wait_until_job_complete("good", namespace, job_poll_interval=0.2)
    assert (hook.is_job_successful(good), hook.is_job_failed(good)) == (True, False)
    bad = hook.wait_until_job_complete("bad", namespace, job_poll_interval=0.2)
    assert (hook.is_job_successful(bad), hook.is_job_failed(bad)) == (False, "BackoffLimitExceeded")
    (pod,) = hook.get_namespaced_pod_list("batch.kubernetes.io/job-name=good").items
    assert hook.get_pod_logs(pod.metadata.name) == "from the job\n"
    _, lines = hook.get_pod_log_stream(pod.metadata.name, "base", namespace)
    assert list(lines) == ["from the job"]


async def test_a_configuration_of_the_official_clients_is_kept(
    cluster: Api, namespace: str
) -> None:
    from kubernetes.client import Configuration

    given = Configuration()
    given.retries = 7
    hook = KubernetesHook(None, config_file=str(cluster.kubeconfig), client_configuration=given)
    assert hook.core_v1_client.list_namespaced_pod(namespace).items == []
    assert hook.api_client.configuration.retries == 7
    assert given.host != hook.api_client.configuration.host
    with pytest.raises(InvalidConnection, match="for the clients of the package kubernetes"):
        async with hook.client():
            pass
