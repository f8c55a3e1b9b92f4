"""Homes for Airflow and a cluster that must be empty of processes after the test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest


def processes_of(home: Path) -> list[str]:
    """Command lines of the processes that have the home in their arguments or environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
        except OSError:  # it ended, or is another user's
            continue
        if str(home).encode() in words and int(folder.name) != os.getpid():
            found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return found


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home that must have no process at the end."""
    folder = tmp_path / "home"
    yield folder
    assert processes_of(folder) == []
