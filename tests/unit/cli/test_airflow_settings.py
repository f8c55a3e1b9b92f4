"""The configuration that podlift writes for its Airflow."""

from __future__ import annotations

import stat
from configparser import ConfigParser
from pathlib import Path

import pytest

from podlift.cli.airflow_settings import (
    Serving,
    airflow_environment,
    load_secrets,
    options_from_environment,
    write_configuration,
)
from podlift.cli.errors import HomeError
from podlift.cli.home import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "ho%me")
    home.create()
    return home


def serving(**fields: str) -> Serving:
    return Serving(dags=Path("/dags"), port=1234, executor="an.Executor", **fields)


def written(home: Home, **extra: dict[str, str]) -> ConfigParser:
    write_configuration(home, serving(), load_secrets(home), extra)
    parser = ConfigParser()
    parser.read(home.airflow / "airflow.cfg")
    return parser


def test_secrets_stay_the_same_from_one_start_to_the_next(home: Home) -> None:
    assert load_secrets(home) == load_secrets(home)


def test_two_homes_have_different_secrets(tmp_path: Path, home: Home) -> None:
    other = Home(tmp_path / "other")
    other.create()
    mine, theirs = load_secrets(home), load_secrets(other)
    assert mine.password != theirs.password
    assert mine.jwt_secret != theirs.jwt_secret


def test_damaged_secrets_are_refused_in_words(home: Home) -> None:
    (home.airflow / "secrets.json").write_text("{")
    with pytest.raises(HomeError, match="is damaged"):
        load_secrets(home)


def test_nobody_else_can_read_secrets_configuration_and_password(home: Home) -> None:
    written(home)
    for name in ("secrets.json", "airflow.cfg", "passwords.json"):
        assert stat.S_IMODE((home.airflow / name).stat().st_mode) == 0o600


def test_a_percent_sign_survives_interpolation(home: Home) -> None:
    assert written(home).get("logging", "base_log_folder") == str(home.task_logs)


def test_podlifts_own_options_win_over_the_callers(home: Home) -> None:
    parser = written(home, core={"executor": "LocalExecutor", "parallelism": "7"})
    assert parser.get("core", "executor") == "an.Executor"
    assert parser.get("core", "parallelism") == "7"


def test_tasks_report_to_this_airflow_unless_told_another_url() -> None:
    assert serving().execution_url == "http://127.0.0.1:1234/execution/"
    assert serving(execution_api="http://host/execution/").execution_url == "http://host/execution/"


def test_an_airflow_that_listens_everywhere_is_reached_on_this_machine() -> None:
    assert serving(host="0.0.0.0").url == "http://127.0.0.1:1234"


def test_the_callers_airflow_options_do_not_reach_the_processes(home: Home) -> None:
    inherited = {
        "PATH": "/bin",
        "AIRFLOW_HOME": "/elsewhere",
        "AIRFLOW_CONFIG": "/elsewhere/airflow.cfg",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "postgresql://production",
        "AIRFLOW_CONN_MINE": "http://here",
    }
    environment = airflow_environment(home, inherited)
    assert environment["AIRFLOW_HOME"] == str(home.airflow)
    assert environment["AIRFLOW_CONN_MINE"] == "http://here"
    assert not {"AIRFLOW_CONFIG", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"} & set(environment)


def test_the_callers_options_are_read_by_section() -> None:
    inherited = {
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__SMTP__SMTP_HOST": "mail",
        "AIRFLOW__NONSENSE": "x",
        "AIRFLOW_HOME": "/x",
    }
    assert options_from_environment(inherited) == {
        "core": {"parallelism": "4"},
        "smtp": {"smtp_host": "mail"},
    }
