"""The examples of the documentation, run with a real Airflow on the cluster of the tests."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from podlift.cli.airflow_database import prepare_database
from podlift.cli.home import Home

if TYPE_CHECKING:
    from tests.functional.conftest import Cluster

pytestmark = pytest.mark.functional

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples" / "dags"

EXPECTED = {
    "example_functions": dict.fromkeys(
        (
            *("count", "most", "say", "total"),
            *("double[0]", "double[1]", "double[2]"),
            *("repeat[0]", "repeat[1]"),
        ),
        "success",
    ),
    "example_jobs": dict.fromkeys(
        ("squares", "check", "suspended", "resume", "delete", "an_object"), "success"
    ),
    "example_objects": dict.fromkeys(("prepare", "use", "look", "clean_up"), "success"),
    "example_pods": {
        "roll": "success",
        "words": "success",
        "each[0]": "success",
        "each[1]": "success",
        "each[2]": "success",
        "nothing_to_do": "skipped",
        "deferred": "success",
    },
}


@pytest.fixture
def airflow(cluster: Cluster, namespace: str, tmp_path: Path) -> dict[str, str]:
    """The environment of an Airflow with a database, whose tasks' pods go into the namespace."""
    kubeconfig = yaml.safe_load(cluster.kubeconfig.read_text())
    for context in kubeconfig["contexts"]:
        context["context"]["namespace"] = namespace
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(kubeconfig))
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(Home(tmp_path).airflow),
        "AIRFLOW__CORE__DAGS_FOLDER": str(EXAMPLES),
        "KUBECONFIG": str(tmp_path / "kubeconfig"),
    }
    home = Home(tmp_path)
    home.create()
    asyncio.run(prepare_database(home, environment))
    return environment


def run(command: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(
        command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    return done.stdout


def test_every_example_ends_as_it_should(
    airflow: dict[str, str], pytestconfig: pytest.Config
) -> None:
    files = sorted(EXAMPLES.glob("example_*.py"))
    assert [file.stem for file in files] == sorted(EXPECTED)
    expected: dict[str, Any] = dict(EXPECTED)
    if pytestconfig.getoption("--cluster") == "real":  # its node has no image with Python
        del expected["example_functions"]
    chosen = [str(file) for file in files if file.stem in expected]
    out = run([sys.executable, "-m", "tests.e2e.examples_run", *chosen], airflow)
    assert json.loads(out.splitlines()[-1]) == expected
    assert "hello from a ConfigMap" in out
    assert "[stdout] words of example_objects" in out
