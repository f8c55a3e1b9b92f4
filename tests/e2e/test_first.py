"""The task that the project began with, run with a real Airflow on the cluster of the tests."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.e2e.test_examples import airflow, run
from tests.real import images, node

if TYPE_CHECKING:
    from tests.functional.conftest import Cluster

__all__ = ["airflow"]

pytestmark = pytest.mark.functional

DAG = Path(__file__).parent / "dags" / "first.py"


@pytest.fixture
def image(cluster: Cluster, pytestconfig: pytest.Config) -> None:
    """What the task runs in. The node of ``tests/real`` pulls nothing: it gets this bash."""
    if pytestconfig.getoption("--cluster") != "real":
        return
    linked = subprocess.run(["ldd", "/bin/bash"], capture_output=True, text=True, check=True)
    files = ["/bin/bash", *re.findall(r"(/\S+) \(", linked.stdout)]
    node.load_image(
        images.Image("ubuntu:16.04", files={each.lstrip("/"): Path(each) for each in files})
    )


@pytest.mark.usefixtures("image")
def test_it_runs_as_it_was_written(airflow: dict[str, str], cluster: Cluster) -> None:
    airflow["AIRFLOW__CORE__DAGS_FOLDER"] = str(DAG.parent)
    out = run([sys.executable, "-m", "tests.e2e.examples_run", str(DAG)], airflow)
    assert json.loads(out.splitlines()[-1]) == {"first": {"task": "success"}}
    assert "+ echo" in out
    assert "Container 'base' ended with exit code 0." in out
    _, pods = cluster.request("GET", "/api/v1/namespaces/default/pods?labelSelector=foo%3Dbar")
    assert [pod for pod in pods["items"] if "deletionTimestamp" not in pod["metadata"]] == []
