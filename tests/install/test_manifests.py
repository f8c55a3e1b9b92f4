"""The plain manifests, applied as their first lines say."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from tests.functional.conftest import Cluster
from tests.install.commands import ROOT, Commands
from tests.install.images import DAG, Loaded
from tests.install.installing import ready, rest, without_pods
from tests.install.places import RESTRICTED, folder_of, forget_volumes, volumes

pytestmark = [
    pytest.mark.functional,
    pytest.mark.install("images are put into the node, and volumes are folders of it"),
]

MANIFESTS = ROOT / "deploy" / "kube"
NAMESPACE = "airflow"
CLAIMS = ("airflow-dags", "airflow-logs", "data-airflow-postgresql-0")


@pytest.fixture(scope="module")
def applied(cluster: Cluster, images: Loaded) -> Iterator[Commands]:
    """All of it runs, in the namespace that the manifests make."""
    commands = Commands(cluster.kubeconfig, NAMESPACE)
    commands.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found")
    forget_volumes(commands, *CLAIMS)
    commands.apply(*volumes(NAMESPACE, *CLAIMS))
    shutil.copy(DAG, folder_of(NAMESPACE, "airflow-dags") / "mounted.py")
    commands.kubectl("apply", f"--filename={MANIFESTS / 'volumes.yaml'}")
    commands.script(MANIFESTS / "secrets")
    for name in ("postgres.yaml", "airflow.yaml"):
        commands.kubectl("apply", "--filename=-", given=_with_images(name, images))
    ready(commands)
    yield commands
    commands.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait=false")
    forget_volumes(commands, *CLAIMS)


def test_the_namespace_takes_no_pod_with_rights_it_does_not_need(applied: Commands) -> None:
    labels = applied.get("namespace", NAMESPACE)["metadata"]["labels"]
    assert labels.items() >= RESTRICTED.items()


def test_a_dag_runs_and_its_log_is_on_the_shared_volume(applied: Commands) -> None:
    airflow = rest(applied)
    assert airflow.run("mounted", "run") == "success", (
        airflow.log("mounted", "run"),
        applied.state(),
    )
    without_pods(applied, "mounted")
    assert "said by mounted" in airflow.log("mounted", "run")
    written = folder_of(NAMESPACE, "airflow-logs").rglob("dag_id=mounted/**/*.log")
    assert any("said by mounted" in path.read_text() for path in written)


def test_applying_them_again_changes_nothing(applied: Commands, images: Loaded) -> None:
    before = _generations(applied)
    applied.script(MANIFESTS / "secrets")
    for name in ("postgres.yaml", "airflow.yaml"):
        applied.kubectl("apply", "--filename=-", given=_with_images(name, images))
    assert _generations(applied) == before


def test_deleting_them_leaves_nothing_but_claims_and_secrets(
    applied: Commands, images: Loaded
) -> None:
    for name in ("airflow.yaml", "postgres.yaml"):
        given = _with_images(name, images)
        applied.kubectl("delete", "--filename=-", "--timeout=120s", given=given)
    applied.kubectl("wait", "pods", "--all", "--for=delete", "--timeout=120s")
    kinds = "deploy,sts,job,pod,svc,cm,sa,role,rolebinding,netpol,pdb,hpa,ingress"
    left = {f"{each['kind']}/{each['metadata']['name']}" for each in applied.get(kinds)}
    assert left == {"ConfigMap/kube-root-ca.crt", "ServiceAccount/default"}
    claims = {each["metadata"]["name"] for each in applied.get("persistentvolumeclaims")}
    assert claims == set(CLAIMS)


def _generations(commands: Commands) -> dict[str, int]:
    """How often each object's specification has changed. What kubectl says of a StatefulSet with
    claims is always "configured"."""
    found = commands.get("deployments,statefulsets,jobs,networkpolicies,poddisruptionbudgets")
    return {
        f"{each['kind']}/{each['metadata']['name']}": each["metadata"]["generation"]
        for each in found
    }


def _with_images(name: str, images: Loaded) -> str:
    text = (MANIFESTS / name).read_text()
    return text.replace("podlift-airflow:3.3.2", images.airflow).replace(
        "postgres:17", images.postgres
    )
