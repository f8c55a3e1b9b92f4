"""The `podlift` command as a process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.homes import home

__all__ = ["home", "podlift", "start"]

PODLIFT = [sys.executable, "-m", "podlift.cli"]

Run = Callable[..., tuple[int, str, str]]
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def podlift() -> Run:
    """Run the command to its end; gives exit code, output and errors."""

    def run(*arguments: str, home: Path | None = None) -> tuple[int, str, str]:
        options = ["--home", str(home)] if home else []
        done = subprocess.run(
            [*PODLIFT, *arguments, *options],
            capture_output=True,
            text=True,
            timeout=180,
            env=os.environ | {"COLUMNS": "100", "NO_COLOR": "1"},
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    return run


@pytest.fixture
def start(home: Path) -> Iterator[Start]:
    """Start the command in the home; what still runs at the end of the test is ended."""
    started: list[subprocess.Popen[str]] = []

    def begin(*arguments: str, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*PODLIFT, *arguments, "--home", str(home)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | environment,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=60)
