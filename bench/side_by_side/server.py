"""A control plane for a measurement alone: etcd, kube-apiserver and kube-scheduler, nodes by KWOK.

Everything listens on free ports of the loopback device and ends with the measurement. Of the
controllers only those run without which no pod would be admitted to a fresh namespace. The audit
log has what the measured user asked, and nothing else.

https://kubernetes.io/docs/tasks/debug/debug-cluster/audit/
"""

from __future__ import annotations

import json
import secrets
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from tests.real import building
from tests.real.certificates import Authority, make_authority
from tests.real.errors import RealClusterError

from bench import Unmeasured
from bench.side_by_side.programs import Programs, programs_in
from bench.side_by_side.stages import configuration, nodes

MEASURED = "measured"
"""The user whose requests are counted."""
_USERS = {
    "admin": ("admin", "system:masters"),
    MEASURED: (MEASURED, "system:masters"),
    "kwok": ("kwok", "system:masters"),
    "controllers": ("controllers", "system:masters"),
    "scheduler": ("system:kube-scheduler", ""),
}
_CONTROLLERS = (
    "namespace-controller",
    "serviceaccount-controller",
    "root-ca-certificate-publisher-controller",
)
_UNLIMITED = ("--kube-api-qps=5000", "--kube-api-burst=5000")
"""client-go's own limit would bound every measurement: the server shall."""


@dataclass(frozen=True)
class Server:
    """The running server."""

    folder: Path
    url: str
    etcd: str
    programs: Programs

    @property
    def kubeconfig(self) -> Path:
        """The administrator's way in."""
        return self.folder / "admin.kubeconfig"

    @property
    def measured(self) -> Path:
        """The way in whose requests are counted."""
        return self.folder / f"{MEASURED}.kubeconfig"

    @property
    def audit_log(self) -> Path:
        """What the measured user asked."""
        return self.folder / "audit.log"

    def forget_history(self) -> None:
        """Restart the API server with etcd's history compacted: earlier watches get 410 Gone."""
        self.programs.stop("kube-apiserver", at_once=True)
        present = _ask_etcd(self.etcd, "/v3/kv/range", key="AA==")["header"]["revision"]
        _ask_etcd(self.etcd, "/v3/kv/compaction", revision=present, physical=True)
        self.programs.start_again("kube-apiserver")
        self.programs.wait_for("kube-apiserver", self._ready())

    def _ready(self) -> Iterator[bool]:
        while True:
            yield self.get("/readyz") == b"ok"

    def get(self, path: str) -> bytes | None:
        """The answer to the administrator; None while there is no good one."""
        token = yaml.safe_load(self.kubeconfig.read_text())["users"][0]["user"]["token"]
        context = ssl.create_default_context(cafile=str(self.folder / "pki" / "ca.crt"))
        request = urllib.request.Request(
            self.url + path, headers={"Authorization": f"Bearer {token}"}
        )
        try:
            with urllib.request.urlopen(request, timeout=5, context=context) as answer:
                return bytes(answer.read())
        except (urllib.error.URLError, OSError):
            return None


@contextmanager
def real_server(folder: Path) -> Iterator[Server]:
    """A server with its state in ``folder``, ended afterwards.

    Raises ``Unmeasured`` in a sentence for a tool that is missing and a program that does not come
    up. The first time the programs are built, which takes some ten minutes.
    """
    try:
        kubernetes, etcd, kwok = building.kubernetes(), building.etcd(), building.kwok()
    except RealClusterError as error:
        raise Unmeasured(f"{error} Without Go: make bench CLUSTER=local.") from error
    with programs_in(folder) as programs:
        authority = make_authority(folder / "pki")
        server = Server(
            folder,
            f"https://127.0.0.1:{free_port()}",
            f"http://127.0.0.1:{free_port()}",
            programs,
        )
        _write_access(server, authority)
        _start_etcd(server, etcd)
        _start_api_server(server, kubernetes, authority)
        _start_the_rest(server, kubernetes, kwok)
        yield server


def _write_access(server: Server, authority: Authority) -> None:
    lines = []
    for name, (user, group) in _USERS.items():
        token = secrets.token_urlsafe(24)
        lines.append(f'{token},{user},{name},"{group}"')
        file = server.folder / f"{name}.kubeconfig"
        _private(file, yaml.safe_dump(_kubeconfig(server.url, authority, name, token)))
    _private(server.folder / "pki" / "tokens.csv", "\n".join(lines) + "\n")
    rules = [
        {"level": "Metadata", "users": [MEASURED], "omitStages": ["RequestReceived"]},
        {"level": "None"},
    ]
    policy = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": rules}
    (server.folder / "audit-policy.yaml").write_text(yaml.safe_dump(policy))


def _start_etcd(server: Server, home: Path) -> None:
    peers = f"http://127.0.0.1:{free_port()}"
    server.programs.start(
        "etcd",
        home / "etcd",
        f"--data-dir={server.folder / 'etcd'}",
        f"--listen-client-urls={server.etcd}",
        f"--advertise-client-urls={server.etcd}",
        f"--listen-peer-urls={peers}",
        f"--initial-advertise-peer-urls={peers}",
        f"--initial-cluster=default={peers}",
        "--unsafe-no-fsync",
    )


def _start_api_server(server: Server, home: Path, authority: Authority) -> None:
    certificate, key = authority.issue("apiserver", "kube-apiserver", hosts=("127.0.0.1",))
    _, accounts = authority.issue("service-accounts", "service-accounts")
    server.programs.start(
        "kube-apiserver",
        home / "kube-apiserver",
        f"--etcd-servers={server.etcd}",
        "--bind-address=127.0.0.1",
        f"--secure-port={server.url.rpartition(':')[2]}",
        "--service-cluster-ip-range=10.96.0.0/16",
        f"--tls-cert-file={certificate}",
        f"--tls-private-key-file={key}",
        f"--client-ca-file={authority.path}",
        f"--token-auth-file={server.folder / 'pki' / 'tokens.csv'}",
        "--authorization-mode=RBAC",
        "--disable-admission-plugins=TaintNodesByCondition",  # no controller takes the taint away
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={accounts}",
        f"--service-account-signing-key-file={accounts}",
        f"--audit-policy-file={server.folder / 'audit-policy.yaml'}",
        f"--audit-log-path={server.audit_log}",
        "--audit-log-maxsize=100000",  # megabytes before it begins another file
    )
    server.programs.wait_for("kube-apiserver", server._ready())


def _start_the_rest(server: Server, home: Path, kwok: Path) -> None:
    folder = server.folder
    server.programs.start(
        "kube-controller-manager",
        home / "kube-controller-manager",
        f"--kubeconfig={folder / 'controllers.kubeconfig'}",
        f"--controllers={','.join(_CONTROLLERS)}",
        f"--root-ca-file={folder / 'pki' / 'ca.crt'}",
        "--leader-elect=false",
        "--secure-port=0",
        *_UNLIMITED,
    )
    server.programs.start(
        "kube-scheduler",
        home / "kube-scheduler",
        f"--kubeconfig={folder / 'scheduler.kubeconfig'}",
        "--leader-elect=false",
        "--secure-port=0",
        *_UNLIMITED,
    )
    settings = folder / "kwok.yaml"
    settings.write_text(yaml.safe_dump_all(configuration()))
    server.programs.start(
        "kwok",
        kwok / "kwok",
        f"--kubeconfig={folder / 'kwok.kubeconfig'}",
        f"--config={settings}",
        "--v=warn",
    )
    for node in nodes():
        _create_node(server, node)
    server.programs.wait_for("kwok", _nodes_are_ready(server))


def _create_node(server: Server, node: dict[str, Any]) -> None:
    token = yaml.safe_load(server.kubeconfig.read_text())["users"][0]["user"]["token"]
    context = ssl.create_default_context(cafile=str(server.folder / "pki" / "ca.crt"))
    request = urllib.request.Request(
        f"{server.url}/api/v1/nodes",
        json.dumps(node).encode(),
        {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    urllib.request.urlopen(request, timeout=30, context=context).close()


def _nodes_are_ready(server: Server) -> Iterator[bool]:
    while True:
        answer = server.get("/api/v1/nodes")
        listed = json.loads(answer)["items"] if answer else []
        yield bool(listed) and all(_is_ready(node) for node in listed)


def _is_ready(node: dict[str, Any]) -> bool:
    conditions = node["status"].get("conditions", ())
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def _kubeconfig(url: str, authority: Authority, name: str, token: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "bench",
        "clusters": [
            {
                "name": "bench",
                "cluster": {"server": url, "certificate-authority": str(authority.path)},
            }
        ],
        "users": [{"name": name, "user": {"token": token}}],
        "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": name}}],
    }


def _private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)


def free_port() -> int:
    """A port of the loopback device that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _ask_etcd(url: str, path: str, **body: object) -> Any:
    request = urllib.request.Request(url + path, json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())
