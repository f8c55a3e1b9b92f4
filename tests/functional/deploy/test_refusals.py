"""Values that cannot be installed, and the sentence that each of them gets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = [pytest.mark.functional, pytest.mark.tools]

GIT = {"enabled": True, "repo": "https://git.example/dags.git"}
SSH = {"enabled": True, "repo": "git@git.example:dags.git"}
OWN = {"host": "db.example", "pass": "x"}

BAD: list[tuple[dict[str, Any], str]] = [
    ({"scheduler": {"replica": 2}}, "Additional property replica is not allowed"),
    ({"scheduler": {"replicas": "two"}}, "Expected: integer, given: string"),
    ({"authManager": "ldap"}, 'must be one of the following: "simple", "fab", "other"'),
    ({"env": [{"name": "A", "value": 1}]}, "Expected: string, given: integer"),
    ({"executor": "CeleryExecutor"}, "always runs podlift.executor.KubernetesExecutor"),
    ({"redis": {"enabled": True}}, "every task has a pod of its own here"),
    ({"webserver": {"replicas": 2}}, "use apiServer"),
    (
        {"dags": {"gitSync": GIT, "persistence": {"enabled": True}}},
        "dags.gitSync.enabled and dags.persistence.enabled are two ways",
    ),
    ({"dags": {"gitSync": {"enabled": True}}}, "dags.gitSync.repo is empty"),
    ({"dags": {"gitSync": SSH}}, "name the Secret that has its key as dags.gitSync.sshKeySecret"),
    (
        {"dags": {"gitSync": SSH | {"sshKeySecret": "a", "credentialsSecret": "b"}}},
        "is for https://",
    ),
    ({"dags": {"gitSync": GIT | {"sshKeySecret": "a"}}}, "use credentialsSecret"),
    ({"dags": {"gitSync": GIT | {"rev": "4f9c2d1"}}}, "is the beginning of a commit's hash"),
    (
        {"dags": {"persistence": {"enabled": True, "accessMode": "ReadWriteOnce"}}},
        "dags.persistence.accessMode is ReadWriteOnce",
    ),
    (
        {"logs": {"persistence": {"enabled": True, "accessMode": "ReadWriteOnce"}}},
        "it has to be ReadWriteMany",
    ),
    ({"config": {"logging": {"remote_logging": "True"}}}, "say where the logs go"),
    ({"config": {"logging": {"remote_base_log_folder": "s3://a"}}}, "has no effect without"),
    ({"config": {"logging": {"base_log_folder": "/a"}}}, "it has to stay as it is"),
    ({"postgresql": {"enabled": False}}, "There is no database"),
    ({"data": {"metadataConnection": OWN}}, "set postgresql.enabled to false"),
    ({"data": {"metadataSecretName": "a"}}, "set postgresql.enabled to false"),
    (
        {
            "postgresql": {"enabled": False},
            "data": {"metadataSecretName": "a", "metadataConnection": OWN},
        },
        "are two databases",
    ),
    ({"postgresql": {"auth": {"existingSecret": "a"}}}, "postgresql+psycopg2://airflow:PASSWORD@"),
    ({"fernetKey": "short"}, "fernetKey is not 32 bytes in url-safe base64"),
    ({"jwtSecret": "a", "jwtSecretName": "b"}, "two places for the same key"),
    ({"config": {"core": {"fernet_key": "a"}}}, "would be readable in every task pod"),
    ({"config": {"database": {"sql_alchemy_conn": "a"}}}, "would be readable in every task pod"),
    ({"config": {"core": {"executor": "LocalExecutor"}}}, "config.core.executor is LocalExecutor"),
    ({"config": {"core": {"auth_manager": "a.B"}}}, "set authManager to other"),
    ({"adminUser": {"username": "a:b"}}, "has a colon, a comma or a bar in it"),
    ({"adminUser": {"password": "a", "passwordSecretName": "b"}}, "are two passwords"),
    (
        {"scheduler": {"hpa": {"enabled": True, "minReplicaCount": 9}}},
        "more than maxReplicaCount, 4",
    ),
    ({"scheduler": {"podDisruptionBudget": {"config": {"minAvailable": 1}}}}, "not both"),
    ({"multiNamespaceModeNamespaceList": ["a"]}, "has no effect without multiNamespaceMode"),
    (
        {"workers": {"namespace": "tasks"}, "logs": {"persistence": {"enabled": True}}},
        "a claim is in one namespace",
    ),
    ({"podTemplate": "kind: Deployment"}, "podTemplate is not a Pod"),
]


@pytest.mark.parametrize(("values", "sentence"), BAD, ids=[sentence for _, sentence in BAD])
def test_what_is_wrong_is_said(values: Any, sentence: str, refused: Callable[..., str]) -> None:
    assert sentence in refused(values)


def test_everything_that_is_wrong_is_said_at_once(refused: Callable[..., str]) -> None:
    said = refused({"redis": {}, "fernetKey": "short", "postgresql": {"enabled": False}})
    assert said.count("\n- ") == 3


def test_an_old_cluster_is_refused(refused: Callable[..., str]) -> None:
    said = refused({}, "--kube-version", "1.28")
    assert "requires kubeVersion: >=1.29.0-0 which is incompatible with Kubernetes v1.28" in said
