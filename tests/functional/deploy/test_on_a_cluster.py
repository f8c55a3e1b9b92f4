"""The chart and a real API server: what it takes, and what helm finds in it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.functional.deploy.cases import CASES
from tests.functional.deploy.charts import CHART, Object, pods_of
from tests.functional.deploy.conftest import Render

from podlift.commands.doctor.checks import Outcome
from podlift.commands.doctor.rights import check_rights
from podlift.kube import PODS, SECRETS, Client, Connection, Forbidden
from podlift.kube.access import Access, Tls

pytestmark = [
    pytest.mark.functional,
    pytest.mark.tools,
    pytest.mark.real_only("the local cluster has no Deployments, StatefulSets or roles"),
]

_GROUPED = {
    "batch": "jobs",
    "policy": "poddisruptionbudgets",
    "autoscaling": "horizontalpodautoscalers",
}
_PATHS = {"NetworkPolicy": "networkpolicies", "Ingress": "ingresses"}
_OFF: dict[str, Any] = {
    # Objects without a pod: nothing has to be pulled and nothing runs.
    **{name: {"replicas": 0} for name in ("scheduler", "apiServer", "dagProcessor", "triggerer")},
    "migrateDatabaseJob": {"enabled": False},
    "postgresql": {"persistence": {"enabled": False}, "image": {"pullPolicy": "Never"}},
}

Helm = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def strict_namespace(cluster: Any, namespace: str) -> str:
    """A namespace that takes pods of Pod Security's strictest level only."""
    label = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}
    status, _ = cluster.request(
        "PATCH",
        f"/api/v1/namespaces/{namespace}",
        label,
        Content_Type="application/merge-patch+json",
    )
    assert status == 200
    return namespace


@pytest.mark.parametrize("name", list(CASES))
def test_the_server_takes_every_object(
    render: Render, cluster: Any, strict_namespace: str, name: str
) -> None:
    objects = [each for each in render(CASES[name]) if each["kind"] != "Pod"]
    for each in [*objects, *_as_pods(objects, CASES[name])]:
        manifest = json.loads(json.dumps(each))
        if "namespace" in manifest["metadata"]:
            manifest["metadata"]["namespace"] = strict_namespace
        path = f"{_path(manifest, strict_namespace)}?dryRun=All&fieldValidation=Strict"
        status, answer = cluster.request("POST", path, manifest)
        assert status == 201, answer


def _as_pods(objects: list[Object], case: dict[str, Any]) -> Iterator[Object]:
    """The pods that the chart is to blame for, as what the admission of Pod Security sees."""
    for number, (name, pod) in enumerate(pods_of(objects)):
        if "podTemplate" in case or "extraContainers" in case.get("scheduler", {}):
            continue
        spec = {**pod["spec"], "serviceAccountName": "default"}
        metadata = {"name": f"pod-{number}", "namespace": name}
        yield {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _path(manifest: Object, namespace: str) -> str:
    version, kind = manifest["apiVersion"], manifest["kind"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    plural = _PATHS.get(kind) or _GROUPED.get(version.split("/")[0]) or f"{kind.lower()}s"
    return (
        f"{root}/{plural}"
        if kind.startswith("Cluster")
        else f"{root}/namespaces/{namespace}/{plural}"
    )


@pytest.fixture
def run(helm: str, cluster: Any, namespace: str, tmp_path: Path) -> Helm:
    """Run helm in the test's namespace, with values where there are any."""
    folders = {f"HELM_{kind}_HOME": str(tmp_path / kind) for kind in ("CACHE", "CONFIG", "DATA")}
    environment = {**os.environ, **folders, "KUBECONFIG": str(cluster.kubeconfig)}

    def call(*arguments: str, values: Any = None) -> subprocess.CompletedProcess[str]:
        command = [helm, "--namespace", namespace, *arguments]
        if values is not None:
            file = tmp_path / "values.yaml"
            file.write_text(yaml.safe_dump({**_OFF, **values}))
            command += [str(CHART), "--values", str(file)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=90)

    return call


def _listed(cluster: Any, namespace: str, plural: str) -> dict[str, Any]:
    _, answer = cluster.request("GET", f"/api/v1/namespaces/{namespace}/{plural}")
    return {each["metadata"]["name"]: each.get("data") for each in answer["items"]}


def _keys(cluster: Any, namespace: str) -> dict[str, Any]:
    secrets = _listed(cluster, namespace, "secrets")
    return {name: data for name, data in secrets.items() if name.startswith("airflow-")}


def test_keys_stay_over_upgrades_and_what_claims_need_over_an_uninstall(
    run: Helm, cluster: Any, namespace: str
) -> None:
    claims = {
        "dags": {"persistence": {"enabled": True}},
        "logs": {"persistence": {"enabled": True}},
    }
    assert run("install", "airflow", values=claims).returncode == 0
    made = _keys(cluster, namespace)
    assert len(made) == 7

    changed = {**claims, "config": {"core": {"parallelism": 7}}}
    assert run("upgrade", "airflow", values=changed).returncode == 0
    assert _keys(cluster, namespace) == made

    assert run("uninstall", "airflow", "--wait").returncode == 0
    kept = {name: made[name] for name in ("airflow-fernet-key", "airflow-postgresql")}
    assert _keys(cluster, namespace) == kept
    assert _listed(cluster, namespace, "persistentvolumeclaims").keys() == {
        "airflow-dags",
        "airflow-logs",
    }
    assert _listed(cluster, namespace, "serviceaccounts").keys() == {"default"}

    again = run("install", "airflow", values=claims)
    assert again.returncode == 0, again.stderr
    assert kept.items() <= _keys(cluster, namespace).items()


def test_what_the_cluster_lacks_is_said(run: Helm, cluster: Any, namespace: str) -> None:
    assert _said(run, {"fernetKeySecretName": "mine"}) == (
        f"fernetKeySecretName: there is no Secret mine in namespace {namespace}. "
        "Make it, with fernet-key in it."
    )
    variable = {"envName": "MINE", "secretName": "mine", "secretKey": "b"}
    assert _said(run, {"secret": [variable]}) == (
        f"secret: there is no Secret mine in namespace {namespace}. Make it, with b in it."
    )
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "mine"},
        "stringData": {"a": "b"},
    }
    assert cluster.request("POST", f"/api/v1/namespaces/{namespace}/secrets", secret)[0] == 201
    assert _said(run, {"fernetKeySecretName": "mine"}) == (
        f"fernetKeySecretName: Secret mine in namespace {namespace} has no entry fernet-key."
    )
    logs = {"logs": {"persistence": {"enabled": True, "existingClaim": "mine"}}}
    assert _said(run, logs) == (
        "logs.persistence.existingClaim: there is no PersistentVolumeClaim mine in namespace "
        f"{namespace}."
    )
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "mine"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "none",
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }
    path = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims"
    assert cluster.request("POST", path, claim)[0] == 201
    assert _said(run, logs) == (
        f"logs.persistence.existingClaim: PersistentVolumeClaim mine in namespace {namespace} is "
        "ReadWriteOnce, and pods on several nodes mount it: it has to be ReadWriteMany."
    )
    assert _said(run, {"workers": {"namespace": "no-such"}}).startswith(
        "workers.namespace: there is no namespace no-such"
    )


def _said(run: Helm, values: Any) -> str:
    done = run("install", "airflow", "--dry-run=server", values=values)
    assert done.returncode != 0
    (sentence,) = [line[2:] for line in done.stderr.splitlines() if line.startswith("- ")]
    return sentence


@pytest.fixture
def may(run: Helm, cluster: Any, namespace: str) -> Callable[[str], Client]:
    """A client of one of the release's service accounts, once it is installed."""
    installed = run("install", "airflow", values={})
    assert installed.returncode == 0, installed.stderr

    def client_of(component: str) -> Client:
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/airflow-{component}/token"
        status, answer = cluster.request("POST", path, {"spec": {"expirationSeconds": 600}})
        assert status == 201, answer
        token = ("authorization", f"Bearer {answer['status']['token']}")
        tls = Tls(ca=Path(cluster.ca_certificate).read_bytes())
        return Client(Connection(Access(cluster.url, "the test", headers=(token,), tls=tls)))

    return client_of


async def test_the_doctor_finds_nothing_missing_in_the_schedulers_rights(
    may: Callable[[str], Client], namespace: str
) -> None:
    async with may("scheduler") as client:
        (check,) = await check_rights(client, [namespace], "airflow-seal")
    assert check.outcome is Outcome.GOOD, check


async def test_the_scheduler_reads_no_other_secret(
    may: Callable[[str], Client], namespace: str
) -> None:
    async with may("scheduler") as client:
        assert (await client.get(SECRETS, "airflow-seal", namespace))["data"].keys() == {"key"}
        with pytest.raises(Forbidden):
            await client.get(SECRETS, "airflow-fernet-key", namespace)
        with pytest.raises(Forbidden):
            await client.list(SECRETS, namespace)


async def test_a_task_may_do_nothing(may: Callable[[str], Client], namespace: str) -> None:
    async with may("worker") as client:
        pod = {"metadata": {"name": "a"}, "spec": {"containers": [{"name": "a", "image": "a:1"}]}}
        for refused in (client.create(PODS, pod, namespace), client.list(PODS, namespace)):
            with pytest.raises(Forbidden):
                await refused
        with pytest.raises(Forbidden):
            await client.get(SECRETS, "airflow-seal", namespace)
