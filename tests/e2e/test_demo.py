"""The demo as a newcomer runs it: a real Airflow, a pod for every task, nothing left behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.functional

DEMO = [sys.executable, "-m", "podlift.cli", "demo"]


def test_the_demo_runs_to_its_end_and_everything_ends_as_it_should(home: Path) -> None:
    done = subprocess.run(
        [*DEMO, "--home", str(home)], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    out = done.stdout
    assert "Everything ended as it should: 16 task instances in 19 pods" in out
    assert "exit_3 failed: Container 'base' ended with exit code 3." in out
    assert out.count("square[") >= 8 * 3
    assert f" up --home {home}" in out

    logs = home / "airflow" / "logs" / "dag_id=podlift_demo" / "run_id=demo"
    first, second = sorted((logs / "task_id=second_try").iterdir())
    assert "the first try fails on purpose" in first.read_text()
    assert "fails on purpose" not in second.read_text()
    assert "this container fails on purpose" in (logs / "task_id=exit_3/attempt=1.log").read_text()
    assert len(list((logs / "task_id=square").glob("map_index=*/attempt=1.log"))) == 8
