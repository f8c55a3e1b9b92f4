"""The chart, installed as users install it, in a namespace of Pod Security level ``restricted``.

One release goes through three ways to bring DAGs and keep logs, by upgrades, and is removed.

installed: an older version of the chart. DAGs on a claim, in the image, and by Airflow's Git
    bundle; logs with nothing configured.
upgraded: DAGs by git-sync, by SSH with a key, runs pinned; logs on a claim that all share.
elsewhere: DAGs by git-sync, by HTTP with a token, at one commit; logs in S3; tasks in a namespace
    of their own; two schedulers, by an autoscaler; an ingress; what users add.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from tests.functional.conftest import Cluster
from tests.install.commands import Commands
from tests.install.images import BAKED, DAG, Loaded
from tests.install.installing import OLDER, RELEASE, Installation, common_values, without_pods
from tests.install.places import (
    BUCKET,
    Git,
    commits,
    folder_of,
    forget_volumes,
    git_server,
    git_token,
    namespace,
    push,
    s3_connection,
    s3_server,
    volumes,
)
from tests.install.rights import may, rights_of

pytestmark = [
    pytest.mark.functional,
    pytest.mark.install("images are put into the node, and volumes are folders of it"),
]

NAMESPACE = "test-install-chart"
TASKS = "test-install-tasks"
CLAIMS = (
    f"{RELEASE}-dags",
    f"{RELEASE}-logs",
    f"data-{RELEASE}-postgresql-0",
    f"logs-{RELEASE}-scheduler-0",
    f"logs-{RELEASE}-scheduler-1",
    f"logs-{RELEASE}-triggerer-0",
)
READS = {"pods": {"get", "list"}, "pods/log": {"get"}, "events": {"list"}}
RUNS = {
    "pods": {"create", "get", "list", "watch", "patch", "delete"},
    "pods/log": {"get"},
    "events": {"list"},
    f"secrets {RELEASE}-seal": {"get"},
}
RIGHTS: dict[str, dict[str, set[str]]] = {
    "scheduler": RUNS,
    "api-server": READS,
    **{name: {} for name in ("dag-processor", "triggerer", "worker", "migrations", "postgresql")},
}
KEPT_SECRETS = {f"{RELEASE}-fernet-key", f"{RELEASE}-postgresql"}
GIT = Git(NAMESPACE, ("synced", "through_git"))
SYNCED = {"enabled": True, "subPath": "dags", "period": "10s"}
EXTRAS = {
    "extraVolumes": [{"name": "mine", "emptyDir": {}}],
    "extraVolumeMounts": [{"name": "mine", "mountPath": "/mine"}],
}


@pytest.fixture(scope="module")
def installation(
    cluster: Cluster, images: Loaded, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    commands, tasks = (Commands(cluster.kubeconfig, name) for name in (NAMESPACE, TASKS))
    commands.kubectl("delete", "namespace", NAMESPACE, TASKS, "--ignore-not-found")
    forget_volumes(commands, *CLAIMS)
    commands.apply(namespace(NAMESPACE), namespace(TASKS), *volumes(NAMESPACE, *CLAIMS))
    commands.apply(*git_server(images, GIT), *s3_server(images), s3_connection(NAMESPACE))
    # What task pods need is there, too, as the documentation says.
    tasks.apply(git_token(), s3_connection(NAMESPACE))
    commands.kubectl("wait", "pods", "--all", "--for=condition=Ready", "--timeout=60s")
    yield Installation(commands, images, tmp_path_factory.mktemp("values"))
    commands.kubectl("delete", "namespace", NAMESPACE, TASKS, "--wait=false")
    forget_volumes(commands, *CLAIMS)


@pytest.fixture(scope="module")
def installed(installation: Installation) -> Installation:
    """DAGs by a claim, in the image and by Airflow's Git bundle; nothing said of logs."""
    shutil.copy(DAG, folder_of(NAMESPACE, f"{RELEASE}-dags") / "mounted.py")
    bundles = [
        _bundle("dags-folder", "airflow.dag_processing.bundles.local.LocalDagBundle"),
        _bundle("baked", "airflow.dag_processing.bundles.local.LocalDagBundle", path=BAKED),
        _bundle(
            "git",
            "airflow.providers.git.bundles.git.GitDagBundle",
            git_conn_id="dags",
            tracking_ref="main",
            subdir="dags",
        ),
    ]
    values = common_values(installation.images)
    installation.apply(
        installation.older_chart(),
        dags={"persistence": {"enabled": True}},
        dagProcessor={**values["dagProcessor"], "dagBundleConfigList": bundles},
        secret=[_variable("AIRFLOW_CONN_DAGS", "dags-connection")],
    )
    return installation


@pytest.fixture(scope="module")
def upgraded(installed: Installation) -> Installation:
    """DAGs by git-sync with a key; a volume for the logs of all."""
    sync = {"repo": GIT.ssh, "sshKeySecret": "dags-key", "knownHosts": GIT.known_hosts}
    installed.apply(dags={"gitSync": SYNCED | sync}, logs={"persistence": {"enabled": True}})
    return installed


@pytest.fixture(scope="module")
def elsewhere(upgraded: Installation) -> Installation:
    """DAGs by git-sync with a token, at the first commit; logs in S3; tasks in their namespace."""
    values = common_values(upgraded.images)
    sync = {"repo": GIT.http, "credentialsSecret": "dags-token"}
    sync["rev"] = commits(upgraded.commands)[0]
    logging = {
        "remote_logging": "True",
        "remote_base_log_folder": f"s3://{BUCKET}/airflow",
        "remote_log_conn_id": "s3",
    }
    beside = _beside(values["images"]["airflow"])
    upgraded.apply(
        dags={"gitSync": SYNCED | sync},
        config={**values["config"], "logging": logging},
        secret=[_variable("AIRFLOW_CONN_S3", "s3-connection")],
        extraEnv=[{"name": "RELEASE", "value": "{{ .Release.Name }}"}],
        workers={**values["workers"], "namespace": TASKS, "networkPolicy": {"enabled": True}},
        scheduler={
            **values["scheduler"],
            **EXTRAS,
            "extraContainers": [beside],
            "hpa": {"enabled": True, "minReplicaCount": 2},
        },
        ingress={"apiServer": {"enabled": True, "hosts": [{"name": "airflow.example"}]}},
    )
    return upgraded


def _beside(image: dict[str, str]) -> dict[str, Any]:
    """A sidecar, as somebody adds one."""
    return {
        "name": "beside",
        "image": f"{image['repository']}:{image['tag']}",
        "imagePullPolicy": image["pullPolicy"],
        "args": ["sh", "-c", "echo told > /mine/beside; trap exit TERM; sleep infinity & wait"],
        "volumeMounts": EXTRAS["extraVolumeMounts"],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }


def test_all_components_are_healthy(installed: Installation) -> None:
    installed.rest().all_are_healthy()


@pytest.mark.parametrize("way", ["mounted", "baked", "through_git"])
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


def test_the_release_is_of_the_newer_chart(upgraded: Installation) -> None:
    (newer,) = json.loads(upgraded.commands.helm("list", "--output=json"))
    history = json.loads(upgraded.commands.helm("history", RELEASE, "--output=json"))
    charts = [each["chart"] for each in history]
    assert charts == [f"podlift-{OLDER}", newer["chart"]]
    assert newer["chart"] != f"podlift-{OLDER}"


def test_the_migrations_ran_for_the_newer_chart(upgraded: Installation) -> None:
    chosen = "--selector=app.kubernetes.io/component=migrations"
    (job,) = upgraded.commands.get("jobs", chosen)  # that of the older one is gone
    assert job["status"]["succeeded"] == 1
    assert OLDER not in job["metadata"]["labels"]["helm.sh/chart"]


def test_a_synced_dag_runs_and_its_log_is_on_the_shared_volume(upgraded: Installation) -> None:
    runs_and_is_read(upgraded, "synced", "shared")
    logs = folder_of(NAMESPACE, f"{RELEASE}-logs")
    assert any(
        "said by synced" in path.read_text() for path in logs.rglob("dag_id=synced/**/*.log")
    )


def test_a_run_stays_at_the_commit_with_which_it_began(upgraded: Installation) -> None:
    airflow = upgraded.rest()
    assert airflow.run("synced", "before") == "success"
    *_, old = commits(upgraded.commands)
    push(upgraded.commands, "synced", "said by", "said anew by")
    assert airflow.other_version("synced", old) == commits(upgraded.commands)[-1]
    assert airflow.run("synced", "after") == "success"
    assert airflow.again("synced", "before") == "success"
    assert "said anew by synced" in airflow.log("synced", "after")
    for attempt in (1, 2):
        assert "said by synced" in airflow.log("synced", "before", attempt)


def test_what_ran_before_the_upgrade_is_still_known(upgraded: Installation) -> None:
    assert upgraded.rest().state("mounted", "kept") == "success"


def test_a_dag_of_one_commit_runs_elsewhere_and_its_log_is_in_s3(elsewhere: Installation) -> None:
    first, *_, newest = commits(elsewhere.commands)
    assert elsewhere.rest().other_version("synced", newest) == first
    runs_and_is_read(elsewhere, "synced", "remote", TASKS)
    bucket = elsewhere.commands.kubectl("exec", "s3", "--", "find", "/data/logs", "-name", "*.log")
    assert "dag_id=synced/run_id=remote" in bucket


def test_the_autoscaler_sees_to_two_schedulers(elsewhere: Installation) -> None:
    name = f"statefulset/{RELEASE}-scheduler"
    both = "--for=jsonpath={.status.readyReplicas}=2"
    elsewhere.commands.kubectl("wait", name, both, "--timeout=300s")
    elsewhere.rest().all_are_healthy()


def test_what_the_user_added_is_there(elsewhere: Installation) -> None:
    line = "cat /mine/beside; echo $RELEASE"
    said = elsewhere.commands.kubectl(
        "exec", f"{RELEASE}-scheduler-0", "--container=scheduler", "--", "sh", "-c", line
    )
    assert said.split() == ["told", RELEASE]


def test_with_tasks_elsewhere_nobody_may_do_anything_at_home(elsewhere: Installation) -> None:
    there = Commands(elsewhere.commands.kubeconfig, TASKS)
    for account, rights in RIGHTS.items():
        home = TASKS if account == "worker" else NAMESPACE
        assert rights_of(there, f"{RELEASE}-{account}", home) == rights, account
        assert rights_of(elsewhere.commands, f"{RELEASE}-{account}", home) == {}, account


def test_uninstalling_leaves_nothing_but_the_claims_and_their_keys(elsewhere: Installation) -> None:
    elsewhere.uninstall()
    kinds = "deploy,sts,job,pod,svc,cm,secret,sa,role,rolebinding,netpol,pdb,hpa,ingress"
    chosen = f"--selector=app.kubernetes.io/instance={RELEASE}"
    left = {each["metadata"]["name"] for each in elsewhere.commands.get(kinds, chosen)}
    assert left == KEPT_SECRETS
    assert Commands(elsewhere.commands.kubeconfig, TASKS).get(kinds, chosen) == []
    claims = {each["metadata"]["name"] for each in elsewhere.commands.get("persistentvolumeclaims")}
    assert claims <= set(CLAIMS)
    assert f"data-{RELEASE}-postgresql-0" in claims


def runs_and_is_read(
    installation: Installation, dag: str, run: str, namespace: str = NAMESPACE
) -> None:
    """Run a DAG, wait until its pod is gone, read its log as a user does."""
    airflow = installation.rest()
    state = airflow.run(dag, run)
    assert state == "success", (airflow.log(dag, run), installation.commands.state())
    without_pods(Commands(installation.commands.kubeconfig, namespace), dag)
    assert f"said by {dag}" in airflow.log(dag, run)


def _bundle(name: str, classpath: str, **arguments: Any) -> dict[str, Any]:
    return {"name": name, "classpath": classpath, "kwargs": arguments}


def _variable(name: str, secret: str) -> dict[str, str]:
    return {"envName": name, "secretName": secret, "secretKey": "connection"}
