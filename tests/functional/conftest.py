"""The cluster of the functional tests: a local one in a process of its own, or a real one."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest
from tests.machine import Machine
from tests.real.network import HOST

from podlift.kube import load_connection
from podlift.kube.access import Access

_START_SECONDS = 30.0
_RUNNERS = (("batch/v1", "jobs"), ("apps/v1", "deployments"), ("apps/v1", "statefulsets"))
_SERVER = Path(__file__).with_name("serve_local.py")
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Cluster:
    """A running cluster: where it is and how to get in."""

    url: str
    token: str
    kubeconfig: Path
    ca_certificate: Path
    client_certificate: Path | None = None

    def tls(self) -> ssl.SSLContext:
        """A context that trusts the cluster's authority and nothing else."""
        context = ssl.create_default_context(cafile=str(self.ca_certificate))
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # as podlift.kube.access, and why
        if self.client_certificate is not None:
            context.load_cert_chain(self.client_certificate)
        return context

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """One plain request: status code and decoded body."""
        data = None if body is None else json.dumps(body).encode()
        sent = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.url + path, data, sent, method=method)
        try:
            with urllib.request.urlopen(request, context=self.tls(), timeout=30) as answer:
                return answer.status, _decoded(answer.read())
        except HTTPError as error:
            with error:
                return error.code, _decoded(error.read())

    def make_namespace(self, name: str) -> None:
        """Make a namespace in which pods can be created at once."""
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        status, answer = self.request("POST", "/api/v1/namespaces", body)
        assert status == 201, answer
        # A controller makes the account that pods need, and the certificate that they mount.
        end = time.monotonic() + _START_SECONDS
        for path in ("serviceaccounts/default", "configmaps/kube-root-ca.crt"):
            while self.request("GET", f"/api/v1/namespaces/{name}/{path}")[0] != 200:
                assert time.monotonic() < end, f"{name} does not get its {path}"
                time.sleep(0.02)

    def remove_namespace(self, name: str) -> None:
        """Have a namespace removed, without waiting for what runs in it to end by itself."""
        self._end_pods(name)
        self.request("DELETE", f"/api/v1/namespaces/{name}")

    def stop_all_in(self, name: str) -> None:
        """Leave nothing in a namespace that runs, or that makes something run."""
        for group, plural in _RUNNERS:
            path = f"/apis/{group}/namespaces/{name}/{plural}"
            self.request("DELETE", f"{path}?propagationPolicy=Background")
        self._end_pods(name)

    def _end_pods(self, name: str) -> None:
        self.request("DELETE", f"/api/v1/namespaces/{name}/pods?gracePeriodSeconds=0")


def _decoded(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return data.decode()


def start_cluster(home: Path, sandbox: str = "auto") -> tuple[Cluster, subprocess.Popen[bytes]]:
    """Start a cluster in a process of its own and wait until it is ready."""
    log = (home.parent / f"{home.name}.log").open("wb")
    home.mkdir(parents=True, exist_ok=True)
    (home / "ready.json").unlink(missing_ok=True)
    process = subprocess.Popen(
        [sys.executable, str(_SERVER), str(home), sandbox],
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=subprocess.STDOUT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    log.close()
    end = time.monotonic() + _START_SECONDS
    while not (home / "ready.json").exists():
        if process.poll() is not None or time.monotonic() > end:
            process.kill()
            process.wait()
            raise RuntimeError((home.parent / f"{home.name}.log").read_text())
        time.sleep(0.02)
    ready = json.loads((home / "ready.json").read_text())
    kubeconfig, authority = home / "kubeconfig", home / "pki" / "ca.crt"
    return Cluster(ready["url"], ready["token"], kubeconfig, authority), process


def stop_cluster(process: subprocess.Popen[bytes]) -> None:
    """End the cluster's process; raises where it does not end."""
    process.terminate()
    try:
        process.wait(timeout=30)
    finally:
        process.kill()
        process.communicate()


@contextmanager
def _local(folder: Path, sandbox: str = "auto") -> Iterator[Cluster]:
    home = folder / "home"
    running, process = start_cluster(home, sandbox)
    yield running
    stop_cluster(process)
    log = (home.parent / f"{home.name}.log").read_text()
    assert "Traceback" not in log, log


@contextmanager
def _real(folder: Path) -> Iterator[Cluster]:
    """The single node of ``tests/real``; one that runs already is used and goes on running."""
    runs = _node("status").returncode == 0
    if not runs and "PYTEST_XDIST_WORKER" in os.environ:
        # Whichever worker started it would stop it under the others.
        raise RuntimeError("Start the node before several processes test on it: make cluster-real")
    started = _node("up")
    if started.returncode != 0:
        raise RuntimeError(started.stderr)
    try:
        yield _cluster_of(Path(started.stdout.splitlines()[-1]), folder)
    finally:
        if not runs:
            assert _node("down").returncode == 0


def _node(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.real", command],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def _cluster_of(kubeconfig: Path, folder: Path) -> Cluster:
    """The cluster that a kubeconfig leads to; its authority and certificate go into ``folder``."""
    access = asyncio.run(_access(kubeconfig))
    authority = folder / "ca.crt"
    authority.write_bytes(access.tls.ca or b"")
    certificate = None
    if access.tls.certificate is not None:
        certificate = folder / "client.pem"
        certificate.touch(mode=0o600)
        certificate.write_bytes(access.tls.certificate + b"\n" + (access.tls.key or b""))
    token = dict(access.headers).get("Authorization", "").removeprefix("Bearer ")
    return Cluster(access.server, token, kubeconfig, authority, certificate)


async def _access(kubeconfig: Path) -> Access:
    return await (await load_connection(kubeconfig)).current()


@pytest.fixture(scope="session")
def cluster(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """The cluster that ``--cluster`` names; each test works in a ``namespace`` of its own."""
    chosen, folder = pytestconfig.getoption("--cluster"), tmp_path_factory.mktemp("cluster")
    if chosen == "local":
        with _local(folder) as running:
            yield running
    elif chosen == "real":
        with _real(folder) as running:
            yield running
    else:
        yield _cluster_of(Path(chosen).resolve(), folder)


@pytest.fixture(scope="session")
def bare_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A second local cluster, which does without bubblewrap."""
    with _local(tmp_path_factory.mktemp("bare"), sandbox="none") as running:
        yield running


@pytest.fixture(scope="session")
def machine(pytestconfig: pytest.Config) -> Machine:
    """Makes pods that run this machine's own Python: not on a user's cluster."""
    return Machine(HOST if pytestconfig.getoption("--cluster") == "real" else "127.0.0.1")


@pytest.fixture(scope="session")
def remove_later(cluster: Cluster) -> Iterator[list[str]]:
    """Names of namespaces that are removed after the last test.

    To remove one, a real cluster sends its server a hundred requests: with one for every test that
    was a third of all processor time. Most nodes are thrown away before they are done with it.
    """
    names: list[str] = []
    yield names
    for name in names:
        cluster.request("DELETE", f"/api/v1/namespaces/{name}")


@pytest.fixture
def namespace(
    cluster: Cluster, remove_later: list[str], pytestconfig: pytest.Config
) -> Iterator[str]:
    """A fresh namespace, in which nothing runs after the test."""
    name = f"test-{secrets.token_hex(4)}"
    cluster.make_namespace(name)
    yield name
    if pytestconfig.getoption("--cluster") == "real":
        cluster.stop_all_in(name)
        remove_later.append(name)
    else:
        cluster.remove_namespace(name)
