"""What the chart's objects say, beside being valid."""

from __future__ import annotations

import base64
import json
from pkgutil import resolve_name
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec
import pytest
from airflow.configuration import conf
from tests.functional.deploy.cases import CASES
from tests.functional.deploy.charts import ROOT, Object, containers_of, parse, pods_of, template
from tests.functional.deploy.conftest import Render

from podlift.commands.doctor.rights import RIGHTS
from podlift.pods.building import lay_ground
from podlift.pods.labels import BUNDLE_VERSION, Identity, labels_of
from podlift.sealing import seal, unseal
from podlift.settings import options

pytestmark = [pytest.mark.functional, pytest.mark.tools]

IDENTITY = Identity(dag_id="d", task_id="t", run_id="r", ti_id="i")


def _named(objects: list[Object], kind: str, name: str, namespace: str = "airflow") -> Object:
    (found,) = [
        each
        for each in objects
        if (each["kind"], each["metadata"]["name"]) == (kind, name)
        if each["metadata"].get("namespace") in (None, namespace)
    ]
    return found


def _config(objects: list[Object]) -> dict[str, str]:
    data: dict[str, str] = _named(objects, "ConfigMap", "airflow-config")["data"]
    return data


def _secret(objects: list[Object], name: str, entry: str) -> str:
    return base64.b64decode(_named(objects, "Secret", name)["data"][entry]).decode()


def _rights(role: Object) -> set[tuple[str, str]]:
    return {
        (verb, resource)
        for rule in role["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


@pytest.mark.parametrize(
    "name", ["tasks in several namespaces", "users in the database", "logs in S3"]
)
def test_every_option_that_the_chart_sets_exists(render: Render, name: str) -> None:
    sections = conf.configuration_description
    podlift = {option.name for option in options()}
    for variable in _config(render(CASES[name])):
        _, section, option = variable.lower().split("__")
        known = podlift if section == "podlift" else sections[section]["options"]
        assert option in known, variable


def test_a_team_has_options_of_its_own(render: Render) -> None:
    assert (
        _config(render(CASES["a team's options"]))["AIRFLOW__BLUE___PODLIFT__NAMESPACE"] == "blue"
    )


def test_task_pods_get_no_secret(render: Render) -> None:
    objects = render()
    assert not [key for key in _config(objects) if "SECRET" in key and "SEAL" not in key]
    (task,) = [pod for name, pod in pods_of(objects) if name == "ConfigMap/airflow-pod-template"]
    assert "secretKeyRef" not in str(task)
    assert "secretRef" not in str(task)
    assert task["spec"]["automountServiceAccountToken"] is False


def test_only_those_have_a_token_who_have_rights(render: Render) -> None:
    objects = render()
    bound = {
        subject["name"]
        for each in objects
        if each["kind"] == "RoleBinding"
        for subject in each["subjects"]
    }
    for name, pod in pods_of(objects):
        account = pod["spec"].get("serviceAccountName")
        assert pod["spec"]["automountServiceAccountToken"] is (account in bound), name


def test_the_scheduler_has_the_rights_that_the_executor_needs_and_no_others(render: Render) -> None:
    role = _named(render(), "Role", "airflow-scheduler")
    # The Secret is there from the beginning, so nobody has to make it.
    wanted = {(each.verb, each.resource) for each in RIGHTS} - {("create", "secrets")}
    assert _rights(role) == wanted
    (secrets,) = [rule for rule in role["rules"] if "secrets" in rule["resources"]]
    assert secrets["resourceNames"] == ["airflow-seal"]


def test_elsewhere_the_scheduler_makes_the_secret(render: Render) -> None:
    objects = render(CASES["tasks in several namespaces"])
    wanted = {(each.verb, each.resource) for each in RIGHTS}
    assert _rights(_named(objects, "Role", "airflow-scheduler", "blue")) == wanted
    assert ("create", "secrets") not in _rights(_named(objects, "Role", "airflow-scheduler"))


def test_the_api_server_only_looks(render: Render) -> None:
    assert _rights(_named(render(), "Role", "airflow-api-server")) == {
        ("get", "pods"),
        ("list", "pods"),
        ("get", "pods/log"),
        ("list", "events"),
    }


def test_operators_get_rights_where_somebody_says_so(render: Render) -> None:
    objects = render({"allowPodLaunching": True})
    verbs = ("create", "get", "list", "watch", "patch", "delete")
    assert _rights(_named(objects, "Role", "airflow-operators")) == {
        *((verb, "pods") for verb in verbs),
        ("get", "pods/log"),
        ("list", "events"),
        ("watch", "events"),
    }
    accounts = {
        each["subjects"][0]["name"]
        for each in objects
        if each["kind"] == "RoleBinding" and each["roleRef"]["name"] == "airflow-operators"
    }
    assert accounts == {"airflow-worker", "airflow-triggerer"}


def test_keys_are_such_that_what_wants_them_takes_them(render: Render) -> None:
    objects = render()
    for name, entry in (("airflow-seal", "key"), ("airflow-fernet-key", "fernet-key")):
        key = _secret(objects, name, entry)
        assert unseal(seal(b"text", key), [key]) == b"text"
    assert len(_secret(objects, "airflow-jwt-secret", "jwt-secret")) >= 64


def test_the_connection_has_the_databases_password(render: Render) -> None:
    objects = render()
    uri = urlsplit(_secret(objects, "airflow-metadata", "connection"))
    assert uri.password == _secret(objects, "airflow-postgresql", "password")
    assert uri.hostname == "airflow-postgresql.airflow.svc"


def test_a_password_may_have_any_character(render: Render) -> None:
    password = "p@ss/w:rd +%?#"
    connection = {"host": "db.example", "user": "me", "pass": password}
    values = {"postgresql": {"enabled": False}, "data": {"metadataConnection": connection}}
    uri = urlsplit(_secret(render(values), "airflow-metadata", "connection"))
    assert (unquote(uri.password or ""), uri.hostname) == (password, "db.example")


def test_a_changed_option_restarts_and_a_changed_pod_template_does_not(render: Render) -> None:
    def checksums(values: Any) -> dict[str, Any]:
        return {
            name: pod["metadata"].get("annotations")
            for name, pod in pods_of(render(values))
            if name.startswith(("Deployment", "StatefulSet")) and "postgresql" not in name
        }

    before = checksums({})
    assert checksums({"workers": {"resources": {"limits": {"memory": "9Gi"}}}}) == before
    after = checksums({"config": {"core": {"parallelism": 7}}})
    assert len(after) == 4
    assert all(after[name] != before[name] for name in before)


def test_airflow_is_found_below_the_path_of_the_ingress(render: Render) -> None:
    config = _config(render(CASES["an ingress below a path"]))
    assert config["AIRFLOW__API__BASE_URL"] == "https://a.example/airflow"
    url = "http://airflow-api-server.airflow.svc:8080/airflow/execution/"
    assert config["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == url


def test_the_database_lets_no_task_in(render: Render) -> None:
    policy = _named(render(), "NetworkPolicy", "airflow-postgresql")
    (peer,) = policy["spec"]["ingress"][0]["from"]
    (shut_out,) = peer["podSelector"]["matchExpressions"]
    for kind in ("task", "callback", "connection-test"):
        labels = labels_of(msgspec.structs.replace(IDENTITY, workload=kind))
        assert labels["app.kubernetes.io/component"] in shut_out["values"]
    assert labels_of(IDENTITY, "operator")["app.kubernetes.io/component"] in shut_out["values"]


@pytest.mark.parametrize(
    "name",
    [
        "nothing given",
        "DAGs from Git by SSH",
        "DAGs on a claim",
        "logs on a claim",
        "extras everywhere",
    ],
)
def test_the_api_server_takes_a_pod_of_the_template(
    render: Render, cluster: Any, namespace: str, name: str
) -> None:
    (task,) = [pod for each, pod in pods_of(render(CASES[name])) if "pod-template" in each]
    # Admission looks for both.
    task["spec"] |= {"serviceAccountName": "default", "priorityClassName": ""}
    built = lay_ground(namespace=namespace, template=task, command=["podlift"]).build(
        "task", IDENTITY
    )
    path = f"/api/v1/namespaces/{namespace}/pods?dryRun=All&fieldValidation=Strict"
    status, answer = cluster.request("POST", path, built.manifest)
    assert status == 201, answer


_SERVED = {
    "ConfigMap": "/api/v1/{}/configmaps",
    "Secret": "/api/v1/{}/secrets",
    "ServiceAccount": "/api/v1/{}/serviceaccounts",
    "PersistentVolumeClaim": "/api/v1/{}/persistentvolumeclaims",
    "Job": "/apis/batch/v1/{}/jobs",
}
"""Kinds that the local cluster serves, too."""


def test_the_api_server_takes_what_it_serves(render: Render, cluster: Any, namespace: str) -> None:
    taken = set()
    for each in [*render(CASES["logs on a claim"]), *render(CASES["DAGs on a claim"])]:
        if each["kind"] in _SERVED:
            path = _SERVED[each["kind"]].format(f"namespaces/{namespace}")
            metadata = {**each["metadata"], "namespace": namespace}
            manifest = {**each, "metadata": metadata}
            query = "?dryRun=All&fieldValidation=Strict"
            status, answer = cluster.request("POST", path + query, manifest)
            assert status == 201, answer
            taken.add(each["kind"])
    assert taken == _SERVED.keys()


def test_git_sync_is_ready_before_airflow_is(render: Render) -> None:
    pods = dict(pods_of(render(CASES["DAGs from Git by SSH"])))
    for name in ("Deployment/airflow-dag-processor", "StatefulSet/airflow-triggerer"):
        sidecar = containers_of(pods[name])[0]
        assert (sidecar["name"], sidecar["restartPolicy"]) == ("git-sync", "Always")
        assert "startupProbe" in sidecar
    once = containers_of(pods["ConfigMap/airflow-pod-template"])[0]
    assert {"name": "GITSYNC_ONE_TIME", "value": "true"} in once["env"]
    assert "restartPolicy" not in once


_PINNED = {"fieldRef": {"fieldPath": f"metadata.annotations['{BUNDLE_VERSION}']"}}


@pytest.mark.parametrize(
    ("values", "pinned"),
    [
        ({}, True),
        ({"dags": {"gitSync": {"pinRuns": False}}}, False),
        ({"dagProcessor": {"dagBundleConfigList": [{"name": "a", "classpath": "b.C"}]}}, False),
        ({"config": {"dag_processor": {"dag_bundle_config_list": "[]"}}}, False),
    ],
)
def test_a_task_fetches_what_its_run_began_with_where_airflow_knows_it(
    render: Render, values: dict[str, Any], pinned: bool
) -> None:
    sync = {"enabled": True, "repo": "https://git.example/d.git", "branch": "b", "subPath": "s"}
    sync |= values.get("dags", {}).get("gitSync", {})
    objects = render({**values, "dags": {"gitSync": sync}})
    (task,) = [pod for name, pod in pods_of(objects) if name == "ConfigMap/airflow-pod-template"]
    variables = {each["name"]: each for each in containers_of(task)[0]["env"]}
    assert (variables["GITSYNC_REF"].get("valueFrom") == _PINNED) is pinned
    annotations = task["metadata"].get("annotations", {})
    assert annotations.get(BUNDLE_VERSION) == ("b" if pinned else None)
    bundles = _config(objects).get("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST", "")
    assert ("GitSyncDagBundle" in bundles) is pinned


def test_airflow_takes_the_bundle_of_what_git_sync_brings(render: Render) -> None:
    config = _config(render(CASES["DAGs from Git by SSH"]))
    (bundle,) = json.loads(config["AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"])
    made = resolve_name(bundle["classpath"])(name=bundle["name"], **bundle["kwargs"])
    assert str(made.path) == config["AIRFLOW__CORE__DAGS_FOLDER"]


def test_on_kinds_machine_all_of_it_finds_room(helm: str) -> None:
    done = template(helm, {}, "--values", str(ROOT / "deploy" / "kind.yaml"))
    pods = dict(pods_of(parse(done.stdout)))
    asked = {
        name: sum(
            _millis(each["resources"]["requests"]["cpu"]) for each in pod["spec"]["containers"]
        )
        for name, pod in pods.items()
        if name != "Pod/airflow-test-components"  # it asks for nothing
    }
    # Of two processors Kubernetes' own pods there ask for nearly one.
    assert sum(asked.values()) <= 1000, asked


def _millis(cpu: str) -> int:
    return int(cpu.removesuffix("m"))
