"""A real local cluster for the functional tests, in a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

from podlift.local import ClusterOptions, LocalCluster

_START_SECONDS = 30.0


@dataclass(frozen=True)
class Cluster:
    """A running cluster: where it is and how to get in."""

    url: str
    token: str
    kubeconfig: Path
    ca_certificate: Path
    home: Path
    pid: int

    def tls(self) -> ssl.SSLContext:
        """A context that trusts the cluster's authority and nothing else."""
        return ssl.create_default_context(cafile=str(self.ca_certificate))

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

    def remove_namespace(self, name: str) -> None:
        """Have a namespace removed, without waiting for what runs in it to end by itself."""
        path = f"/api/v1/namespaces/{name}"
        self.request("DELETE", f"{path}/pods?gracePeriodSeconds=0")
        self.request("DELETE", path)


def _decoded(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return data.decode()


async def _serve(home: Path, sandbox: Any) -> None:
    """What the cluster's process does until it gets SIGTERM."""
    cluster = LocalCluster(ClusterOptions(home, sandbox=sandbox))
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    endpoint = await cluster.start()
    ready = {"url": endpoint.url, "token": endpoint.token}
    (home / "ready.json.new").write_text(json.dumps(ready))
    (home / "ready.json.new").rename(home / "ready.json")
    try:
        await stop.wait()
    finally:
        await cluster.stop()


def start_cluster(home: Path, sandbox: str = "auto") -> tuple[Cluster, subprocess.Popen[bytes]]:
    """Start a cluster in a process of its own and wait until it is ready."""
    log = (home.parent / f"{home.name}.log").open("wb")
    home.mkdir(parents=True, exist_ok=True)
    (home / "ready.json").unlink(missing_ok=True)
    process = subprocess.Popen(
        [sys.executable, __file__, str(home), sandbox],
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
    cluster = Cluster(ready["url"], ready["token"], kubeconfig, authority, home, process.pid)
    return cluster, process


def stop_cluster(process: subprocess.Popen[bytes]) -> None:
    """End the cluster's process; raises where it does not end."""
    process.terminate()
    try:
        process.wait(timeout=30)
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One cluster for all functional tests; each works in a ``namespace`` of its own."""
    home = tmp_path_factory.mktemp("cluster") / "home"
    running, process = start_cluster(home)
    yield running
    stop_cluster(process)
    log = (home.parent / f"{home.name}.log").read_text()
    assert "Traceback" not in log, log


@pytest.fixture(scope="session")
def bare_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A second cluster, which does without bubblewrap."""
    home = tmp_path_factory.mktemp("bare") / "home"
    running, process = start_cluster(home, sandbox="none")
    yield running
    stop_cluster(process)
    log = (home.parent / f"{home.name}.log").read_text()
    assert "Traceback" not in log, log


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A fresh namespace, removed after the test."""
    name = f"test-{secrets.token_hex(4)}"
    status, body = cluster.request(
        "POST",
        "/api/v1/namespaces",
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}},
    )
    assert status == 201, body
    yield name
    cluster.remove_namespace(name)


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), sys.argv[2]))
