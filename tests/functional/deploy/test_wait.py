"""What pods wait with for Airflow's database, run as they run it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from tests.functional.deploy.charts import CHART

pytestmark = pytest.mark.functional

TABLE = "CREATE TABLE alembic_version (version_num VARCHAR(32))"
ROW = "INSERT INTO alembic_version VALUES ('abc')"


def _start(database: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(CHART / "files" / "wait.py"), *arguments]
    variables = {**os.environ, "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=variables, stdout=pipe, stderr=pipe, text=True)


def _execute(database: str, *statements: str) -> None:
    with create_engine(database).begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


@pytest.fixture
def database(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'airflow.db'}"


def test_what_follows_begins_once_the_database_was_migrated(database: str) -> None:
    waiting = _start(database, "60", "echo", "begun")
    assert waiting.stdout
    assert waiting.stdout.readline() == "The database has no tables of Airflow yet.\n"
    _execute(database, TABLE, ROW)
    assert (waiting.communicate(timeout=30)[0], waiting.returncode) == ("begun\n", 0)


def test_whoever_migrates_waits_for_no_tables(database: str) -> None:
    waiting = _start(database, "60")
    assert (*waiting.communicate(timeout=30), waiting.returncode) == ("", "", 0)


def test_in_the_end_it_says_what_it_waited_for() -> None:
    waiting = _start("postgresql+psycopg2://a:secret@127.0.0.1:1/a", "0")
    said, complaint = waiting.communicate(timeout=30)
    assert "The database cannot be asked: connection to server" in said
    assert (complaint, waiting.returncode) == ("That has lasted for 0 seconds.\n", 1)
    assert "secret" not in said
