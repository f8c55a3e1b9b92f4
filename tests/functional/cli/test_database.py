"""Airflow's database: made once by Airflow, then copied."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from podlift.cli.airflow_database import prepare_database
from podlift.cli.airflow_settings import (
    Serving,
    airflow_environment,
    load_secrets,
    write_configuration,
)
from podlift.cli.errors import ProcessDied
from podlift.cli.home import Home, cache_folder

pytestmark = pytest.mark.functional


def new_home(folder: Path) -> tuple[Home, dict[str, str]]:
    home = Home(folder)
    home.create()
    serving = Serving(dags=folder, port=1, executor="LocalExecutor")
    write_configuration(home, serving, load_secrets(home))
    return home, airflow_environment(home, os.environ)


def tables(home: Home) -> int:
    with closing(sqlite3.connect(home.airflow / "airflow.db")) as opened:
        (count,) = opened.execute(
            "SELECT count(*) FROM sqlite_master WHERE type='table'"
        ).fetchone()
        return int(count)


async def test_airflow_makes_the_first_database_and_the_next_are_copies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    first, environment = new_home(tmp_path / "first")
    await prepare_database(first, environment)
    (template,) = cache_folder().iterdir()
    second, environment = new_home(tmp_path / "second")
    await prepare_database(second, environment)
    assert tables(first) == tables(second) > 40
    assert not (second.process_logs / "db-migrate.log").exists()

    template.write_bytes(template.read_bytes()[:10_000])  # a copy that was cut short
    third, environment = new_home(tmp_path / "third")
    await prepare_database(third, environment)
    assert tables(third) == tables(first)
    assert (third.process_logs / "db-migrate.log").exists()


async def test_a_database_that_cannot_be_migrated_is_told_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    home, environment = new_home(tmp_path / "home")
    (home.airflow / "airflow.db").write_text("this is no database, and long enough to be read")
    with pytest.raises(ProcessDied, match="could not prepare its database") as caught:
        await prepare_database(home, environment)
    assert any("not a database" in line for line in caught.value.details)
