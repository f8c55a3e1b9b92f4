"""A small run of the measurement, without the standard executor, whose environment is not here."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

pytestmark = [
    pytest.mark.functional,
    pytest.mark.local_only("it starts a server of its own"),
]

ROOT = Path(__file__).resolve().parents[3]
COMMAND = [sys.executable, "-m", "bench.side_by_side", "--podlift-only", "--quick"]
SMALL = ["--cluster", "local", "--only", "pairs", "--tasks", "10", "--date", "2026-11-22"]


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Where a run notes what it started: only one at a time is let in."""
    folder = tmp_path / "cache"
    folder.mkdir()
    return folder


def test_a_small_run_writes_a_report_that_is_no_proof(tmp_path: Path, cache: Path) -> None:
    command = [*COMMAND, *SMALL, "--output", str(tmp_path)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "XDG_CACHE_HOME": str(cache)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "2026-11-22.md").read_text()
    assert done.stdout.strip() == str(tmp_path / "2026-11-22.md")
    assert "1 rounds only: 5 are needed" in page
    assert re.search(r"\| Podlift, a heartbeat a second \| [0-9.]+ \| [0-9]+% \|", page)
    assert "| server | Podlift's local cluster |" in page
    figures = json.loads((tmp_path / "2026-11-22.json").read_text())
    (turns,) = figures["rounds"]
    assert {name: turn["tasks"] for name, turn in turns.items()} == {
        "bare client": 10,
        "Podlift, a heartbeat a second": 10,
        "Podlift, flat out": 10,
    }
    for name in ("throughput", "heartbeats"):
        ElementTree.parse(tmp_path / f"2026-11-22-{name}.svg")


def test_a_run_that_is_stopped_leaves_no_server_and_no_report(tmp_path: Path, cache: Path) -> None:
    reports, scratch = tmp_path / "reports", tmp_path / "scratch"
    scratch.mkdir()
    command = [*COMMAND, *SMALL, "--output", str(reports)]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(scratch), "XDG_CACHE_HOME": str(cache)},
        stderr=subprocess.PIPE,
        text=True,
    ) as run:
        assert run.stderr is not None
        assert "ready" in run.stderr.readline()
        assert list(scratch.iterdir())
        run.send_signal(signal.SIGTERM)
        told = run.stderr.read()
    assert run.returncode == 130
    assert "no report was written" in told
    assert not reports.exists()
    assert not list(scratch.iterdir())
    assert not list(cache.glob("podlift/bench/run-*"))
    assert not _still_at_work_in(tmp_path)


def test_what_a_killed_run_has_left_is_ended_by_the_next(tmp_path: Path, cache: Path) -> None:
    command = [*COMMAND, *SMALL, "--output", str(tmp_path / "reports")]
    environment = {**os.environ, "TMPDIR": str(tmp_path), "XDG_CACHE_HOME": str(cache)}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
    ) as first:
        assert first.stderr is not None
        assert "ready" in first.stderr.readline()
        second = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        assert "another measurement runs on this machine" in second.stderr
        first.kill()
    assert _still_at_work_in(tmp_path)
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
    ) as third:
        assert third.stderr is not None
        assert "ready" in third.stderr.readline()
        third.send_signal(signal.SIGINT)
        third.wait()
    assert not _still_at_work_in(tmp_path)


def test_a_missing_tool_is_named(tmp_path: Path) -> None:
    environment = {**os.environ, "PATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run(
        COMMAND, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "Go is needed" in done.stderr
    assert "make bench CLUSTER=local" in done.stderr


def _still_at_work_in(folder: Path) -> list[str]:
    """Command lines of processes that name the folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it ended while we looked
            continue
        if str(folder) in words:
            found.append(words)
    return found
