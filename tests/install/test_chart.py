"""The chart, installed as users install it, in a namespace of Pod Security level ``restricted``.

One release goes through three ways to bring DAGs and keep logs, by upgrades, and is removed.

| Way of DAGs | Way of logs | Step |
|---|---|---|
| a claim, baked into the image, Airflow's Git bundle | nothing configured | installed |
| git-sync, by SSH with a key | a claim shared by all | upgraded |
| git-sync | S3 | remote |
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from tests.functional.conftest import Cluster
from tests.install.commands import Commands
from tests.install.images import BAKED, DAG, Loaded
from tests.install.installing import RELEASE, Installation, common_values, without_pods
from tests.install.places import (
    BUCKET,
    GIT_URL,
    folder_of,
    forget_volumes,
    git_server,
    namespace,
    s3_server,
    volumes,
)
from tests.install.rights import may, rights_of

pytestmark = [
    pytest.mark.functional,
    pytest.mark.install("images are put into the node, and volumes are folders of it"),
]

NAMESPACE = "test-install-chart"
CLAIMS = (
    f"{RELEASE}-dags",
    f"{RELEASE}-logs",
    f"data-{RELEASE}-postgresql-0",
    f"logs-{RELEASE}-scheduler-0",
    f"logs-{RELEASE}-triggerer-0",
)
READS = {"pods": {"get", "list"}, "pods/log": {"get"}, "events": {"list"}}
RIGHTS: dict[str, dict[str, set[str]]] = {
    "scheduler": {
        "pods": {"create", "get", "list", "watch", "patch", "delete"},
        "pods/log": {"get"},
        "events": {"list"},
        f"secrets {RELEASE}-seal": {"get"},
    },
    "api-server": READS,
    **{name: {} for name in ("dag-processor", "triggerer", "worker", "migrations", "postgresql")},
}
KEPT_SECRETS = {f"{RELEASE}-fernet-key", f"{RELEASE}-postgresql"}
SYNCED = {
    "persistence": {"enabled": False},
    "gitSync": {
        "enabled": True,
        "repo": GIT_URL,
        "subPath": "dags",
        "sshKeySecret": "dags-key",
        "period": "30s",
    },
}


@pytest.fixture(scope="module")
def installation(
    cluster: Cluster, images: Loaded, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    commands = Commands(cluster.kubeconfig, NAMESPACE)
    commands.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found")
    forget_volumes(commands, *CLAIMS)
    commands.apply(namespace(NAMESPACE), *volumes(NAMESPACE, *CLAIMS))
    commands.apply(*git_server(images, "synced", "bundled"), *s3_server(images))
    commands.kubectl("wait", "pods", "--all", "--for=condition=Ready", "--timeout=60s")
    yield Installation(commands, images, tmp_path_factory.mktemp("values"))
    commands.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
    forget_volumes(commands, *CLAIMS)


@pytest.fixture(scope="module")
def installed(installation: Installation) -> Installation:
    """DAGs by a claim, in the image and by Airflow's Git bundle; nothing said of logs."""
    shutil.copy(DAG, folder_of(NAMESPACE, f"{RELEASE}-dags") / "mounted.py")
    bundles = [
        _bundle("dags-folder", "airflow.dag_processing.bundles.local.LocalDagBundle"),
        _bundle("baked", "airflow.dag_processing.bundles.local.LocalDagBundle", path=BAKED),
        _bundle(
            "bundled",
            "airflow.providers.git.bundles.git.GitDagBundle",
            git_conn_id="dags",
            tracking_ref="main",
            subdir="dags",
        ),
    ]
    values = common_values(installation.images)
    installation.apply(
        dags={"persistence": {"enabled": True}},
        dagProcessor={**values["dagProcessor"], "dagBundleConfigList": bundles},
        secret=[_variable("AIRFLOW_CONN_DAGS", "dags-connection")],
    )
    return installation


@pytest.fixture(scope="module")
def upgraded(installed: Installation) -> Installation:
    """DAGs by git-sync; a volume for the logs of all."""
    installed.apply(dags=SYNCED, logs={"persistence": {"enabled": True}})
    return installed


@pytest.fixture(scope="module")
def remote(upgraded: Installation) -> Installation:
    """Logs in S3."""
    values = common_values(upgraded.images)
    logging = {
        "remote_logging": "True",
        "remote_base_log_folder": f"s3://{BUCKET}/airflow",
        "remote_log_conn_id": "s3",
    }
    upgraded.apply(
        dags=SYNCED,
        config={**values["config"], "logging": logging},
        secret=[_variable("AIRFLOW_CONN_S3", "s3-connection")],
    )
    return upgraded


def test_all_components_are_healthy(installed: Installation) -> None:
    installed.rest().all_are_healthy()


@pytest.mark.parametrize("way", ["mounted", "baked", "bundled"])
def test_a_dag_runs_and_podlift_keeps_its_log(installed: Installation, way: str) -> None:
    runs_and_is_read(installed, way, "kept")


@pytest.mark.parametrize("account", RIGHTS)
def test_an_account_may_do_what_it_has_to_and_nothing_else(
    installed: Installation, account: str
) -> None:
    assert rights_of(installed.commands, f"{RELEASE}-{account}") == RIGHTS[account]


@pytest.mark.parametrize("what", [("list", "secrets"), ("create", "pods"), ("get", "pods")])
def test_a_task_may_not(installed: Installation, what: tuple[str, str]) -> None:
    assert not may(installed.commands, f"{RELEASE}-worker", *what)


def test_a_synced_dag_runs_and_its_log_is_on_the_shared_volume(upgraded: Installation) -> None:
    runs_and_is_read(upgraded, "synced", "shared")
    logs = folder_of(NAMESPACE, f"{RELEASE}-logs")
    assert any(
        "said by synced" in path.read_text() for path in logs.rglob("dag_id=synced/**/*.log")
    )


def test_what_ran_before_the_upgrade_is_still_known(upgraded: Installation) -> None:
    assert upgraded.rest().state("mounted", "kept") == "success"


def test_a_synced_dag_runs_and_its_log_is_in_s3(remote: Installation) -> None:
    runs_and_is_read(remote, "synced", "remote")
    bucket = remote.commands.kubectl("exec", "s3", "--", "find", "/data/logs", "-name", "*.log")
    assert "dag_id=synced/run_id=remote" in bucket


def test_uninstalling_leaves_nothing_but_the_claims_and_their_keys(remote: Installation) -> None:
    remote.uninstall()
    kinds = "deploy,sts,job,pod,svc,cm,secret,sa,role,rolebinding,netpol,pdb,hpa,ingress"
    chosen = f"--selector=app.kubernetes.io/instance={RELEASE}"
    left = {each["metadata"]["name"] for each in remote.commands.get(kinds, chosen)}
    assert left == KEPT_SECRETS
    claims = {each["metadata"]["name"] for each in remote.commands.get("persistentvolumeclaims")}
    assert claims <= set(CLAIMS)
    assert f"data-{RELEASE}-postgresql-0" in claims


def runs_and_is_read(installation: Installation, dag: str, run: str) -> None:
    """Run a DAG, wait until its pod is gone, read its log as a user does."""
    airflow = installation.rest()
    state = airflow.run(dag, run)
    assert state == "success", (airflow.log(dag, run), installation.commands.state())
    without_pods(installation.commands, dag)
    assert f"said by {dag}" in airflow.log(dag, run)


def _bundle(name: str, classpath: str, **arguments: Any) -> dict[str, Any]:
    return {"name": name, "classpath": classpath, "kwargs": arguments}


def _variable(name: str, secret: str) -> dict[str, str]:
    return {"envName": name, "secretName": secret, "secretKey": "connection"}
