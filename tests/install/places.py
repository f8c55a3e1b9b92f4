"""What an installation finds in its cluster: a namespace, volumes, a Git server, an S3 server."""

from __future__ import annotations

import base64
import json
import secrets
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from tests.install.commands import Commands
from tests.install.images import DAG, Loaded
from tests.real.paths import RUN

RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
GIT, S3 = "git", "s3"
READY = "/tmp/keys/sshd_config"
"""The last file that the Git server writes before it serves."""
GIT_USER, GIT_TOKEN = "airflow", "only-for-tests"
BUCKET = "logs"
S3_KEY, S3_SECRET = "airflow", "only-for-tests"
_VOLUMES = RUN / "volumes"
_CLONE = ("git", "-C", "/tmp/clone")


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


@dataclass(frozen=True)
class Git:
    """A Git server in a namespace, and what it takes to be let in."""

    namespace: str
    ways: tuple[str, ...]
    """Names under which its repository has the DAG; a commit for each, in this order."""
    user: tuple[str, str] = field(default_factory=lambda: _key())
    host: tuple[str, str] = field(default_factory=lambda: _key())

    @property
    def ssh(self) -> str:
        """The repository by SSH."""
        return f"ssh://git@{GIT}.{self.namespace}:2222/tmp/dags.git"

    @property
    def http(self) -> str:
        """The repository by HTTP."""
        return f"http://{GIT}.{self.namespace}:8080/cgi-bin/git/dags.git"

    @property
    def known_hosts(self) -> str:
        """The line by which ssh knows it."""
        return f"[{GIT}.{self.namespace}]:2222 {self.host[1]}"


def git_token() -> dict[str, Any]:
    """The Secret ``dags-token``, in the form that the chart takes for HTTP."""
    return _secret("dags-token", GITSYNC_USERNAME=GIT_USER, GITSYNC_PASSWORD=GIT_TOKEN)


def commits(commands: Commands) -> list[str]:
    """The hashes of the repository's commits, the oldest first."""
    return commands.kubectl("exec", GIT, "--", *_CLONE, "rev-list", "--reverse", "main").split()


def push(commands: Commands, way: str, old: str, new: str) -> None:
    """Change words of a DAG in the repository."""
    file = f"/tmp/clone/dags/{way}.py"
    commands.kubectl("exec", GIT, "--", "sed", "-i", f"s/{old}/{new}/", file)
    commands.kubectl("exec", GIT, "--", *_CLONE, "commit", "--quiet", "--all", "--message=Change")
    commands.kubectl("exec", GIT, "--", *_CLONE, "push", "--quiet", "origin", "main")


def git_server(images: Loaded, git: Git) -> list[dict[str, Any]]:
    """The server, and who may read there: by the key in ``dags-key`` or the ``dags-token``.

    The Secret ``dags-key`` is in the form that the chart takes, ``dags-connection`` in Airflow's.
    """
    user, host = git.user, git.host
    files = {f"{way}.py": DAG.read_text() for way in git.ways}
    connection = {
        "conn_type": "git",
        "host": git.ssh,
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
        git_token(),
        _secret("git-server", public=user[1], host=host[0], token=f"{GIT_USER}:{GIT_TOKEN}"),
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "git-server"},
            "data": files,
        },
        # Not by a connection: sshd starts a process for each, before it knows who is there.
        _pod(GIT, images.git_server, {"exec": {"command": ["test", "-e", READY]}}, mounts, volumes),
        _service(GIT, 2222, 8080),
    ]


def s3_connection(namespace: str) -> dict[str, Any]:
    """The Secret ``s3-connection``: Airflow's connection to the S3 server of a namespace."""
    url = f"http://{S3}.{namespace}:7070"
    connection = {
        "conn_type": "aws",
        "login": S3_KEY,
        "password": S3_SECRET,
        "extra": {"endpoint_url": url, "region_name": "us-east-1"},
    }
    return _secret("s3-connection", connection=json.dumps(connection))


def s3_server(images: Loaded) -> list[dict[str, Any]]:
    """An S3 server with a bucket for logs."""
    arguments = ["--access", S3_KEY, "--secret", S3_SECRET, "--port", ":7070", "posix", "/data"]
    mounts = [{"name": "data", "mountPath": "/data"}, {"name": "bucket", "mountPath": "/data/logs"}]
    volumes: list[dict[str, Any]] = [
        {"name": "data", "emptyDir": {}},
        {"name": "bucket", "emptyDir": {}},
    ]
    return [
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


def _service(name: str, *ports: int) -> dict[str, Any]:
    listed = [{"name": f"port-{port}", "port": port} for port in ports]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"tests": name}, "ports": listed},
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
