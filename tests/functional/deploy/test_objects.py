"""What the chart makes, for everything that people ask of it: judged without a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.functional.deploy.cases import CASES
from tests.functional.deploy.charts import Object, complaints, containers_of, pods_of
from tests.functional.deploy.conftest import Render

pytestmark = [pytest.mark.functional, pytest.mark.tools]


@pytest.fixture(params=list(CASES))
def case(request: pytest.FixtureRequest) -> dict[str, Any]:
    return CASES[request.param]


def test_everything_fits_together(case: dict[str, Any], render: Render) -> None:
    objects = render(case)
    for each in objects:
        assert complaints(each) == [], each["metadata"]["name"]
        assert each["metadata"]["labels"]["app.kubernetes.io/instance"] == "airflow"
    names = [
        (each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"])
        for each in objects
    ]
    assert len(names) == len(set(names))
    for name, pod in pods_of(objects):
        if "podTemplate" in case and name == "ConfigMap/airflow-pod-template":
            continue  # somebody else's
        assert list(_not_restricted(pod)) == [], name
        assert list(_dangling(pod, objects, case)) == [], name


def _not_restricted(pod: Object) -> Iterator[str]:
    """Where a pod breaks https://kubernetes.io/docs/concepts/security/pod-security-standards/."""
    spec = pod["spec"]
    security = spec["securityContext"]
    if not (security["runAsNonRoot"] and security["runAsUser"] > 0):
        yield "may run as root"
    if security["seccompProfile"]["type"] != "RuntimeDefault":
        yield "no seccomp profile"
    yield from (f"host: {key}" for key in spec if key.startswith("host"))
    taken = {"configMap", "emptyDir", "persistentVolumeClaim", "secret", "projected"}
    for volume in spec.get("volumes", []):
        if not taken & volume.keys():
            yield f"volume {volume['name']}"
    for container in containers_of(pod):
        own = container.get("securityContext")
        if own is None and container["name"] in ("beside", "before"):
            continue  # somebody else's
        if (
            own is None
            or own["allowPrivilegeEscalation"]
            or own["capabilities"] != {"drop": ["ALL"]}
        ):
            yield f"container {container['name']}"


def _dangling(pod: Object, objects: list[Object], case: dict[str, Any]) -> Iterator[str]:
    """What a pod names and nobody has: volumes, ConfigMaps, Secrets, accounts."""
    made = {(each["kind"], each["metadata"]["name"]) for each in objects}
    given = str(case)
    spec = pod["spec"]

    def known(kind: str, name: str) -> bool:
        return (kind, name) in made or f"'{name}'" in given

    volumes = [volume["name"] for volume in spec.get("volumes", [])]
    if len(volumes) != len(set(volumes)):
        yield f"volumes twice: {volumes}"
    for volume in spec.get("volumes", []):
        for kind, field, key in (
            ("ConfigMap", "configMap", "name"),
            ("Secret", "secret", "secretName"),
            ("PersistentVolumeClaim", "persistentVolumeClaim", "claimName"),
        ):
            if field in volume and not known(kind, volume[field][key]):
                yield f"{kind} {volume[field][key]}"
    account = spec.get("serviceAccountName", "default")
    if account != "default" and not known("ServiceAccount", account):
        yield f"ServiceAccount {account}"
    for container in containers_of(pod):
        mounts = [mount["mountPath"] for mount in container.get("volumeMounts", [])]
        if len(mounts) != len(set(mounts)):
            yield f"mounts twice: {mounts}"
        for mount in container.get("volumeMounts", []):
            if mount["name"] not in volumes:
                yield f"volume {mount['name']}"
        for variable in container.get("env", []):
            reference = variable.get("valueFrom", {}).get("secretKeyRef")
            if reference and not known("Secret", reference["name"]):
                yield f"Secret {reference['name']}"
        for source in container.get("envFrom", []):
            if "configMapRef" in source and not known("ConfigMap", source["configMapRef"]["name"]):
                yield f"ConfigMap {source['configMapRef']['name']}"
