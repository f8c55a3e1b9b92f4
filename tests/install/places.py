"""What an installation finds in its cluster: a namespace, volumes, a Git server, an S3 server."""

from __future__ import annotations

import base64
import json
import secrets
import shutil
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from tests.install.commands import Commands
from tests.install.images import DAG, Loaded
from tests.real.paths import RUN

RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
GIT, S3 = "git", "s3"
GIT_URL = "ssh://git@git:2222/tmp/dags.git"
READY = "/tmp/keys/sshd_config"
"""The last file that the Git server writes before it serves."""
S3_URL = "http://s3:7070"
BUCKET = "logs"
S3_KEY, S3_SECRET = "airflow", "only-for-tests"
_VOLUMES = RUN / "volumes"


def namespace(name: str) -> dict[str, Any]:
    """A namespace in which Kubernetes refuses every pod that asks for more than it needs."""
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": RESTRICTED},
    }


def volumes(namespace: str, *claims: str) -> list[dict[str, Any]]:
    """A volume for each of the claims to come. The node has nobody who makes volumes."""
    return [_volume(namespace, claim) for claim in claims]


def folder_of(namespace: str, claim: str) -> Path:
    """Where the files of a volume are on this machine."""
    return _VOLUMES / namespace / claim


def forget_volumes(commands: Commands, *claims: str) -> None:
    """Remove the volumes and their files."""
    names = [f"{commands.namespace}-{claim}" for claim in claims]
    commands.kubectl("delete", "persistentvolumes", "--ignore-not-found", "--wait=false", *names)
    shutil.rmtree(_VOLUMES / commands.namespace, ignore_errors=True)


def _volume(namespace: str, claim: str) -> dict[str, Any]:
    folder = folder_of(namespace, claim)
    folder.mkdir(parents=True)
    folder.chmod(0o777)  # a volume of a folder takes no fsGroup
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"{namespace}-{claim}"},
        "spec": {
            "capacity": {"storage": "100Gi"},
            "accessModes": ["ReadWriteOnce", "ReadWriteMany"],
            "persistentVolumeReclaimPolicy": "Retain",
            "hostPath": {"path": str(folder)},
            "claimRef": {"namespace": namespace, "name": claim},
        },
    }


def git_server(images: Loaded, *ways: str) -> list[dict[str, Any]]:
    """A repository that has the DAG under these names; who may read it has the key in ``dags-key``.

    The Secret ``dags-key`` is in the form that the chart takes, ``dags-connection`` in Airflow's.
    """
    user, host = _key(), _key()
    files = {f"{way}.py": DAG.read_text() for way in ways}
    connection = {
        "conn_type": "git",
        "host": GIT_URL,
        "extra": {"private_key": user[0], "strict_host_key_checking": "no"},
    }
    mounts: list[dict[str, Any]] = [
        {"name": "key", "mountPath": "/key", "readOnly": True},
        {"name": "files", "mountPath": "/files", "readOnly": True},
        {"name": "tmp", "mountPath": "/tmp"},
    ]
    volumes: list[dict[str, Any]] = [
        {"name": "key", "secret": {"secretName": "git-server"}},
        {"name": "files", "configMap": {"name": "git-server"}},
        {"name": "tmp", "emptyDir": {}},
    ]
    return [
        _secret("dags-key", gitSshKey=user[0]),
        _secret("dags-connection", connection=json.dumps(connection)),
        _secret("git-server", public=user[1], host=host[0]),
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "git-server"},
            "data": files,
        },
        # Not by a connection: sshd starts a process for each, before it knows who is there.
        _pod(GIT, images.git_server, {"exec": {"command": ["test", "-e", READY]}}, mounts, volumes),
        _service(GIT, 2222),
    ]


def s3_server(images: Loaded) -> list[dict[str, Any]]:
    """An S3 server with a bucket for logs, and Airflow's connection to it in ``s3-connection``."""
    connection = {
        "conn_type": "aws",
        "login": S3_KEY,
        "password": S3_SECRET,
        "extra": {"endpoint_url": S3_URL, "region_name": "us-east-1"},
    }
    arguments = ["--access", S3_KEY, "--secret", S3_SECRET, "--port", ":7070", "posix", "/data"]
    mounts = [{"name": "data", "mountPath": "/data"}, {"name": "bucket", "mountPath": "/data/logs"}]
    volumes: list[dict[str, Any]] = [
        {"name": "data", "emptyDir": {}},
        {"name": "bucket", "emptyDir": {}},
    ]
    return [
        _secret("s3-connection", connection=json.dumps(connection)),
        _pod(S3, images.s3, {"tcpSocket": {"port": 7070}}, mounts, volumes, arguments),
        _service(S3, 7070),
    ]


def url_safe_key() -> str:
    """32 random bytes, as Fernet and the seal take them."""
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def _key() -> tuple[str, str]:
    """A private key in OpenSSH's form, and the line of its public one."""
    key = ed25519.Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return private.decode(), public.decode()


def _secret(name: str, **entries: str) -> dict[str, Any]:
    metadata = {"name": name}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": entries}


def _service(name: str, port: int) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"tests": name}, "ports": [{"port": port}]},
    }


def _pod(
    name: str,
    image: str,
    probe: dict[str, Any],
    mounts: list[dict[str, Any]],
    volumes: list[dict[str, Any]],
    arguments: list[str] | None = None,
) -> dict[str, Any]:
    container: dict[str, Any] = {
        "name": name,
        "image": image,
        "imagePullPolicy": "Never",
        "args": arguments or [],
        "volumeMounts": mounts,
        "readinessProbe": {**probe, "periodSeconds": 2, "timeoutSeconds": 30},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"tests": name}},
        "spec": {
            "containers": [container],
            "volumes": volumes,
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 1,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 1000,
                "runAsGroup": 0,
                "fsGroup": 1000,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
        },
    }
