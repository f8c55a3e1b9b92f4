"""The probe of the components that serve nothing, run as a kubelet runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.jobs.job import Job
from airflow.utils.net import get_host_ip_address, getfqdn
from sqlalchemy import create_engine
from sqlalchemy.orm import Session
from tests.functional.deploy.charts import CHART

pytestmark = pytest.mark.functional

_JOB: Any = Job  # its constructor has no types


@pytest.fixture
def database(tmp_path: Path) -> str:
    """A database with Airflow's table of jobs."""
    uri = f"sqlite:///{tmp_path / 'airflow.db'}"
    Job.__table__.create(create_engine(uri))
    return uri


def _beat(database: str, kind: str, host: str, ago: float) -> None:
    at = datetime.now(UTC) - timedelta(seconds=ago)
    with Session(create_engine(database)) as session:
        job = _JOB(job_type=kind, hostname=host, latest_heartbeat=at, state="running")
        session.add(job)
        session.commit()


def _probe(database: str, **environment: str) -> tuple[int, str]:
    command = [sys.executable, str(CHART / "files" / "alive.py"), "TriggererJob", "120"]
    variables = {**os.environ, "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database, **environment}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr + done.stdout


@pytest.mark.parametrize("host", [getfqdn, get_host_ip_address])
def test_a_job_that_beats_is_alive(database: str, host: object) -> None:
    assert callable(host)
    _beat(database, "TriggererJob", host(), ago=5)
    assert _probe(database) == (0, "")


def test_a_job_that_has_been_silent_is_not(database: str) -> None:
    _beat(database, "TriggererJob", getfqdn(), ago=200)
    code, said = _probe(database)
    assert (code, "has been silent for 20" in said) == (1, True)


def test_others_signs_of_life_do_not_count(database: str) -> None:
    _beat(database, "TriggererJob", "elsewhere", ago=5)
    _beat(database, "SchedulerJob", getfqdn(), ago=5)
    code, said = _probe(database)
    assert (code, "No TriggererJob has given a sign of life" in said) == (1, True)


def test_a_name_of_the_users_own_is_asked_for(database: str, tmp_path: Path) -> None:
    (tmp_path / "naming.py").write_text("def name():\n    return 'mine'\n")
    _beat(database, "TriggererJob", "mine", ago=5)
    chosen = {"AIRFLOW__CORE__HOSTNAME_CALLABLE": "naming.name", "PYTHONPATH": str(tmp_path)}
    assert _probe(database, **chosen) == (0, "")


def test_a_database_that_is_away_restarts_nothing(tmp_path: Path) -> None:
    code, said = _probe(f"sqlite:///{tmp_path}/no/such/folder.db")
    assert (code, "The database cannot be asked" in said) == (0, True)
