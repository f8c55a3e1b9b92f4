"""The Python clients work against the local cluster as against a real one."""

from __future__ import annotations

import asyncio
import gc
import warnings
from typing import Any

import kr8s as kr8s_package
import kubernetes as official_package
import kubernetes.stream as official_stream
import kubernetes_asyncio as asyncio_package
import kubernetes_asyncio.stream as asyncio_stream
import pytest
from kr8s.asyncio import objects as kr8s_objects

pytestmark = pytest.mark.functional

# What these packages say of their types is wrong in places, so nothing is made of it.
kr8s: Any = kr8s_package
kubernetes: Any = official_package
kubernetes_asyncio: Any = asyncio_package
Kr8sPod: Any = kr8s_objects.Pod
stream: Any = official_stream.stream
WsApiClient: Any = asyncio_stream.WsApiClient


def pod(name: str, script: str) -> dict[str, Any]:
    """A pod that runs a shell script."""
    container = {"name": "base", "image": "busybox:1.36", "command": ["sh", "-c", script]}
    spec = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 1,
        "containers": [container],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


@pytest.fixture
def core(cluster: Any) -> Any:
    """The official client's core API."""
    client = kubernetes.config.new_client_from_config(str(cluster.kubeconfig))
    yield kubernetes.client.CoreV1Api(client)
    client.rest_client.pool_manager.clear()
    # A watch that this client stops leaves its socket to the garbage collector, which complains.
    del client
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def test_the_official_client_runs_a_pod_and_reads_its_log(core: Any, namespace: str) -> None:
    core.create_namespaced_pod(namespace, pod("one", "echo hello; exit 3"))
    phases = []
    watch = kubernetes.watch.Watch()
    for event in watch.stream(core.list_namespaced_pod, namespace, timeout_seconds=60):
        phases.append(event["object"].status.phase)
        if phases[-1] in ("Succeeded", "Failed"):
            watch.stop()
    assert phases == sorted(phases, key=["Pending", "Running", "Failed"].index)
    assert phases[-1] == "Failed"
    assert core.read_namespaced_pod_log("one", namespace) == "hello\n"
    status = core.read_namespaced_pod("one", namespace).status.container_statuses[0]
    assert status.state.terminated.exit_code == 3
    core.delete_namespaced_pod("one", namespace)
    with pytest.raises(kubernetes.client.ApiException) as caught:
        core.read_namespaced_pod("one", namespace)
    assert caught.value.status == 404


def test_the_official_client_executes_a_command(core: Any, namespace: str) -> None:
    core.create_namespaced_pod(namespace, pod("one", "sleep 60"))
    watch = kubernetes.watch.Watch()
    for event in watch.stream(core.list_namespaced_pod, namespace, timeout_seconds=60):
        if event["object"].status.phase == "Running":
            watch.stop()
    connection = stream(
        core.connect_get_namespaced_pod_exec, "one", namespace, command=["echo", "hello"],
        stdout=True, stderr=True, stdin=False, tty=False, _preload_content=False,
    )  # fmt: skip
    connection.run_forever(timeout=60)
    assert connection.read_stdout() == "hello\n"
    assert connection.returncode == 0
    connection.close()


async def test_kubernetes_asyncio_runs_patches_and_executes(cluster: Any, namespace: str) -> None:
    configuration = kubernetes_asyncio.client.Configuration()
    await kubernetes_asyncio.config.load_kube_config(
        str(cluster.kubeconfig), client_configuration=configuration
    )
    async with kubernetes_asyncio.client.ApiClient(configuration) as client:
        core = kubernetes_asyncio.client.CoreV1Api(client)
        await core.create_namespaced_pod(namespace, pod("one", "echo hello; sleep 60"))
        watch = kubernetes_asyncio.watch.Watch()
        async with watch.stream(core.list_namespaced_pod, namespace, timeout_seconds=60) as events:
            async for event in events:
                if event["object"].status.phase == "Running":
                    break
        patched = await core.patch_namespaced_pod(
            "one", namespace, {"metadata": {"labels": {"a": "b"}}}
        )
        assert patched.metadata.labels == {"a": "b"}
        selected = await core.list_namespaced_pod(namespace, label_selector="a in (b, c)")
        assert [one.metadata.name for one in selected.items] == ["one"]
    async with WsApiClient(configuration) as client:
        core = kubernetes_asyncio.client.CoreV1Api(client)
        said = await core.connect_get_namespaced_pod_exec(
            "one", namespace, command=["echo", "hello"], stdout=True, stderr=True, stdin=False
        )
        assert said == "hello\n"


# It says of every Kubernetes newer than itself that it does not know it.
@pytest.mark.filterwarnings("ignore:Kubernetes version .* is not supported:UserWarning")
async def test_kr8s_runs_a_pod_and_follows_its_log(cluster: Any, namespace: str) -> None:
    api = await kr8s.asyncio.api(kubeconfig=str(cluster.kubeconfig), namespace=namespace)
    manifest = pod("one", "echo hello; sleep 1")
    manifest["metadata"]["namespace"] = namespace
    made = await Kr8sPod(manifest, api=api)
    await made.create()
    async with asyncio.timeout(60):
        await made.wait("jsonpath='{.status.phase}'=Succeeded")
    assert [line async for line in made.logs()] == ["hello"]
    assert [one.name async for one in api.get("pods", namespace=namespace)] == ["one"]
    await made.delete()
