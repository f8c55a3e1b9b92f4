"""A cluster in a process of its own: started, found again, stopped."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from podlift.local import ClusterOptions, Endpoint, daemon, errors

pytestmark = pytest.mark.functional


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home folder whose cluster is stopped in any case."""
    home = tmp_path / "home"
    yield home
    if daemon.status(home).running:
        daemon.stop(home)


def ask(endpoint: Endpoint, path: str, method: str = "GET", body: Any = None) -> Any:
    """One request."""
    import ssl
    import urllib.request

    context = ssl.create_default_context(cafile=str(endpoint.ca_certificate))
    headers = {
        "Authorization": f"Bearer {endpoint.token}",
        "Content-Type": "application/json",
    }
    data = json.dumps(body).encode() if body else None
    request = urllib.request.Request(endpoint.url + path, data, headers, method=method)
    with urllib.request.urlopen(request, context=context, timeout=30) as answer:
        return json.loads(answer.read())


def test_a_restart_finds_the_objects_again(home: Path) -> None:
    endpoint = daemon.start_detached(ClusterOptions(home))
    assert daemon.status(home).running
    assert endpoint.kubeconfig.stat().st_mode & 0o777 == 0o600
    path = "/api/v1/namespaces/default/configmaps"
    made = ask(endpoint, path, "POST", {"metadata": {"name": "kept"}, "data": {"a": "b"}})
    daemon.stop(home)
    assert not daemon.status(home).running
    assert not endpoint.kubeconfig.exists()
    again = daemon.start_detached(ClusterOptions(home))
    assert ask(again, f"{path}/kept") == made
    newer = ask(again, path, "POST", {"metadata": {"name": "new"}})
    assert int(newer["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])


def test_a_second_start_is_refused(home: Path) -> None:
    daemon.start_detached(ClusterOptions(home))
    with pytest.raises(errors.AlreadyRunning, match="already runs from"):
        daemon.start_detached(ClusterOptions(home))


def test_a_taken_port_is_named(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(errors.PortTaken, match=f"Port {port} on 127.0.0.1 is taken"):
            daemon.start_detached(ClusterOptions(home, port=port))
    assert not daemon.status(home).running


def test_a_home_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(errors.HomeUnusable, match="cannot be used"):
        daemon.start_detached(ClusterOptions(tmp_path / "file" / "home"))


def test_saved_objects_that_cannot_be_read_are_named(home: Path) -> None:
    home.mkdir()
    (home / "state.db").write_text("this is not a database, " * 100)
    with pytest.raises(errors.StateUnreadable, match="move the file away"):
        daemon.start_detached(ClusterOptions(home))


def test_a_process_that_is_not_ours_is_never_taken_for_the_cluster(home: Path) -> None:
    home.mkdir()
    record = {"pid": os.getpid(), "started": 1, "url": "https://127.0.0.1:1", "token": "t"}
    (home / "cluster.json").write_text(json.dumps(record))
    assert not daemon.status(home).running
    with pytest.raises(errors.NotRunning, match="No cluster runs from"):
        daemon.stop(home)
