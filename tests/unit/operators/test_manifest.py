"""The pod that an operator's parameters describe."""

from __future__ import annotations

from typing import Any

import pytest
from kubernetes import client

from podlift.operators.manifest import (
    CONTAINER_FIELDS,
    POD_FIELDS,
    env_entries,
    operator_manifest,
)
from podlift.operators.secret import Secret
from podlift.pods.errors import InvalidManifest
from podlift.pods.labels import Identity, identity_of
from podlift.pods.plain import Manifest, to_manifest
from podlift.pods.reading import read_pod

IDENTITY = Identity(dag_id="d", task_id="t", run_id="r", ti_id="u", try_number=2)


def manifest(**parameters: Any) -> Manifest:
    identity = parameters.pop("identity", IDENTITY)
    templates = parameters.pop("templates", ())
    given: dict[str, Any] = {"name": "test", "image": "ubuntu:16.04"}
    return operator_manifest(
        given | parameters,
        identity=identity,
        namespace="default",
        default_name="task",
        templates=templates,
    )


def test_the_example_of_the_documentation() -> None:
    pod = manifest(cmds=["bash", "-cx"], arguments=["echo", "10"], labels={"foo": "bar"})
    assert pod["spec"] == {
        "restartPolicy": "Never",
        "containers": [
            {
                "name": "base",
                "image": "ubuntu:16.04",
                "command": ["bash", "-cx"],
                "args": ["echo", "10"],
            }
        ],
    }
    assert pod["metadata"]["labels"]["foo"] == "bar"
    assert pod["metadata"]["name"].startswith("test-")
    assert pod["metadata"]["name"].endswith("-1")
    assert identity_of(read_pod(pod)) == IDENTITY


def test_the_same_try_has_the_same_pod_and_another_try_another() -> None:
    other = Identity(dag_id="d", task_id="t", run_id="r", ti_id="v", try_number=2)
    assert manifest()["metadata"]["name"] == manifest()["metadata"]["name"]
    assert manifest()["metadata"]["name"] != manifest(identity=other)["metadata"]["name"]


def test_podlifts_labels_win() -> None:
    labels = manifest(labels={"dag_id": "mine"})["metadata"]["labels"]
    assert labels["dag_id"] == "d"
    assert labels["app.kubernetes.io/component"] == "operator"


def test_variables_come_as_a_mapping_or_as_entries() -> None:
    expected = [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]
    assert env_entries({"A": "1", "B": 2}) == expected
    entries = [client.V1EnvVar(name="A", value="1"), {"name": "B", "value": "2"}]
    assert env_entries(entries) == expected


@pytest.mark.parametrize(
    ("parameters", "path"),
    [
        ({"image": ""}, "spec.containers[0].image"),
        ({"cmds": "echo"}, "cmds"),
        ({"arguments": ["a", None]}, "arguments[1]"),
        ({"env_vars": {"A": None}}, "env_vars.A"),
        ({"env_vars": {"A": True}}, "env_vars.A"),
        ({"env_vars": [{"value": "1"}]}, "env_vars[0].name"),
        ({"env_vars": "A=1"}, "env_vars"),
    ],
)
def test_parameters_that_make_no_pod_are_refused(parameters: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidManifest) as refusal:
        manifest(**parameters)
    assert refusal.value.path == path


FIELD = client.V1EnvVarSource(field_ref=client.V1ObjectFieldSelector(field_path="status.podIP"))

EXAMPLES: dict[str, tuple[Any, str, Any]] = {
    "active_deadline_seconds": (60, "spec.activeDeadlineSeconds", 60),
    "affinity": (
        client.V1Affinity(node_affinity=client.V1NodeAffinity()),
        "spec.affinity",
        {"nodeAffinity": {}},
    ),
    "automount_service_account_token": (False, "spec.automountServiceAccountToken", False),
    "dns_config": ({"nameservers": ["1.1.1.1"]}, "spec.dnsConfig.nameservers", ["1.1.1.1"]),
    "dnspolicy": ("Default", "spec.dnsPolicy", "Default"),
    "host_aliases": (
        [client.V1HostAlias(ip="127.0.0.1", hostnames=["a"])],
        "spec.hostAliases",
        [{"ip": "127.0.0.1", "hostnames": ["a"]}],
    ),
    "hostname": ("h", "spec.hostname", "h"),
    "hostnetwork": (True, "spec.hostNetwork", True),
    "image_pull_secrets": ("a, b", "spec.imagePullSecrets", [{"name": "a"}, {"name": "b"}]),
    "init_containers": (
        [client.V1Container(name="i", image="x")],
        "spec.initContainers",
        [{"name": "i", "image": "x"}],
    ),
    "node_selector": ({"disk": "ssd"}, "spec.nodeSelector", {"disk": "ssd"}),
    "priority_class_name": ("high", "spec.priorityClassName", "high"),
    "runtime_class_name": ("gvisor", "spec.runtimeClassName", "gvisor"),
    "schedulername": ("other", "spec.schedulerName", "other"),
    "security_context": (
        client.V1PodSecurityContext(run_as_user=1),
        "spec.securityContext",
        {"runAsUser": 1},
    ),
    "service_account_name": ("sa", "spec.serviceAccountName", "sa"),
    "subdomain": ("s", "spec.subdomain", "s"),
    "termination_grace_period": (0, "spec.terminationGracePeriodSeconds", 0),
    "tolerations": (
        [client.V1Toleration(key="k", operator="Exists")],
        "spec.tolerations",
        [{"key": "k", "operator": "Exists"}],
    ),
    "volumes": ([{"name": "v", "emptyDir": {}}], "spec.volumes", [{"name": "v", "emptyDir": {}}]),
    "arguments": (["a", 1], "base.args", ["a", "1"]),
    "cmds": (["c"], "base.command", ["c"]),
    "container_resources": (
        client.V1ResourceRequirements(limits={"memory": "1Gi"}),
        "base.resources",
        {"limits": {"memory": "1Gi"}},
    ),
    "container_security_context": ({"runAsUser": 2}, "base.securityContext", {"runAsUser": 2}),
    "image": ("other:1", "base.image", "other:1"),
    "image_pull_policy": ("Never", "base.imagePullPolicy", "Never"),
    "ports": ([client.V1ContainerPort(container_port=80)], "base.ports", [{"containerPort": 80}]),
    "termination_message_policy": (
        "FallbackToLogsOnError",
        "base.terminationMessagePolicy",
        "FallbackToLogsOnError",
    ),
    "volume_mounts": (
        [client.V1VolumeMount(name="v", mount_path="/v")],
        "base.volumeMounts",
        [{"name": "v", "mountPath": "/v"}],
    ),
    "env_vars": ({"A": 1}, "base.env", [{"name": "A", "value": "1"}]),
    "env_from": ([{"secretRef": {"name": "s"}}], "base.envFrom", [{"secretRef": {"name": "s"}}]),
    "configmaps": (["c"], "base.envFrom", [{"configMapRef": {"name": "c"}}]),
    "pod_runtime_info_envs": (
        [client.V1EnvVar(name="IP", value_from=FIELD)],
        "base.env",
        [{"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
    ),
    "annotations": ({"a": "1"}, "metadata.annotations.a", "1"),
    "labels": ({"l": True}, "metadata.labels.l", "true"),
    "namespace": ("n", "metadata.namespace", "n"),
}
"""Of each parameter that shapes the pod: a value, where it goes, and what is there then."""


@pytest.mark.parametrize("parameter", sorted(EXAMPLES))
def test_every_parameter_reaches_its_place(parameter: str) -> None:
    value, path, expected = EXAMPLES[parameter]
    volumes = {"volumes": [{"name": "v", "emptyDir": {}}]} if parameter == "volume_mounts" else {}
    pod = manifest(**volumes | {parameter: value})
    found: Any = pod["spec"]["containers"][0] if path.startswith("base.") else pod
    for step in path.removeprefix("base.").split("."):
        found = found[step]
    assert found == expected


def test_no_parameter_is_without_an_example() -> None:
    assert set(POD_FIELDS) | set(CONTAINER_FIELDS) <= set(EXAMPLES)


def test_what_is_not_given_leaves_the_template_as_it_is() -> None:
    template = {
        "metadata": {"name": "from-template", "namespace": "theirs", "labels": {"l": "t"}},
        "spec": {
            "hostNetwork": True,
            "containers": [
                {"name": "main", "image": "theirs:1", "envFrom": [{"secretRef": {"name": "s"}}]}
            ],
        },
    }
    pod = manifest(templates=[template], name=None, image=None, cmds=[], configmaps=["c"])
    (base,) = pod["spec"]["containers"]
    assert base["name"] == "base"
    assert base["image"] == "theirs:1"
    assert base["envFrom"] == [{"secretRef": {"name": "s"}}, {"configMapRef": {"name": "c"}}]
    assert pod["spec"]["hostNetwork"] is True
    assert pod["metadata"]["name"].startswith("from-template-")
    assert pod["metadata"]["namespace"] == "theirs"


def test_each_source_is_laid_over_the_one_before() -> None:
    def source(image: str, policy: str) -> Manifest:
        return {
            "spec": {"containers": [{"name": "base", "image": image, "imagePullPolicy": policy}]}
        }

    full = client.V1Pod(
        spec=client.V1PodSpec(containers=[client.V1Container(name="base", image="full:1")])
    )
    pod = manifest(templates=[source("file:1", "Always"), to_manifest(full)], image=None)
    assert pod["spec"]["containers"][0]["image"] == "full:1"
    assert pod["spec"]["containers"][0]["imagePullPolicy"] == "Always"
    pod = manifest(templates=[source("file:1", "Always")], image="mine:1")
    assert pod["spec"]["containers"][0]["image"] == "mine:1"


def test_secrets_become_variables_or_files() -> None:
    secrets = [
        Secret("env", "password", "database", "pw"),
        Secret("env", None, "all"),
        Secret("volume", "/etc/files", "files", items=[{"key": "k", "path": "p"}]),
    ]
    pod = manifest(secrets=secrets)
    base = pod["spec"]["containers"][0]
    reference = {"secretKeyRef": {"name": "database", "key": "pw"}}
    assert base["env"] == [{"name": "PASSWORD", "valueFrom": reference}]
    assert base["envFrom"] == [{"secretRef": {"name": "all"}}]
    (volume,) = pod["spec"]["volumes"]
    assert volume["secret"] == {"secretName": "files", "items": [{"key": "k", "path": "p"}]}
    mount = {"name": volume["name"], "mountPath": "/etc/files", "readOnly": True}
    assert base["volumeMounts"] == [mount]


def test_a_secret_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="env or volume"):
        Secret("file", "/x", "s")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="needs a deploy_target"):
        Secret("volume", None, "s")
    with pytest.raises(InvalidManifest, match="must be a Secret"):
        manifest(secrets=["database"])


def test_a_pod_that_would_restart_by_itself_is_refused() -> None:
    with pytest.raises(InvalidManifest, match="use the task's retries"):
        manifest(templates=[{"spec": {"restartPolicy": "Always"}}])
