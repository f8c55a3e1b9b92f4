"""The home folder and who holds it."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from podlift.cli.demo import empty_for_demo
from podlift.cli.errors import AlreadyRunning, BadOption, HomeError
from podlift.cli.home import Home, default_home, locked


def test_the_home_is_chosen_by_variable_then_by_data_folder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PODLIFT_HOME", "/chosen")
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert default_home() == Path("/chosen")
    monkeypatch.delenv("PODLIFT_HOME")
    assert default_home() == Path("/data/podlift")
    monkeypatch.delenv("XDG_DATA_HOME")
    assert default_home() == Path.home() / ".local/share/podlift"


def test_only_the_owner_can_look_into_the_home(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.create()
    for folder in (home.root, home.airflow, home.process_logs):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_home_that_cannot_be_made_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(HomeError, match="choose another with --home FOLDER"):
        Home(tmp_path / "file" / "home").create()


def test_a_home_is_held_by_one_process_at_a_time(tmp_path: Path) -> None:
    home = Home(tmp_path)
    refused = pytest.raises(AlreadyRunning, match=f"process {os.getpid()}")
    with locked(home), refused, locked(home):
        pass
    with locked(home):
        pass


def test_the_end_of_a_process_lets_go_of_its_home(tmp_path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; from podlift.cli.home import Home, locked\n"
        "with locked(Home(Path(sys.argv[1]))): os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)
    with locked(Home(tmp_path)):
        pass


def test_the_demo_empties_its_own_home(tmp_path: Path) -> None:
    home = Home(tmp_path)
    empty_for_demo(home)
    (home.airflow / "airflow.db").touch()
    empty_for_demo(home)
    assert not (home.airflow / "airflow.db").exists()


def test_the_demo_never_empties_a_home_with_somebodys_history(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.create()
    (home.airflow / "airflow.db").touch()
    with pytest.raises(BadOption, match="no demo's"):
        empty_for_demo(home)
    assert (home.airflow / "airflow.db").exists()
