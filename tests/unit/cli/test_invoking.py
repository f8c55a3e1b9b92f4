"""What the user is told to type next."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from podlift.cli.home import Home, default_home
from podlift.cli.invoking import command


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The program that runs now: in a virtual environment below the folder we are in."""
    made = tmp_path / ".venv" / "bin" / "podlift"
    made.parent.mkdir(parents=True)
    made.touch(mode=0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(made)])
    monkeypatch.setenv("PATH", "/nowhere")
    return made


def test_a_program_that_the_shell_does_not_find_is_told_with_its_path(program: Path) -> None:
    assert command("up") == ".venv/bin/podlift up"


def test_one_that_it_finds_by_its_name(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(program.parent))
    assert command("up") == "podlift up"


def test_a_home_is_named_unless_it_is_the_usual_one(program: Path, tmp_path: Path) -> None:
    assert command("up", Home(default_home())) == ".venv/bin/podlift up"
    assert command("up", Home(tmp_path / "h")) == f".venv/bin/podlift up --home {tmp_path / 'h'}"
