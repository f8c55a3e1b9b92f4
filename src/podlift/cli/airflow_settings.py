"""Airflow's configuration as podlift writes it: one file in the home, no variables to remember.

Because all of it is in `airflow.cfg`, `AIRFLOW_HOME=… airflow …` in any shell speaks to the same
Airflow, and a task's pod needs `AIRFLOW_HOME` and nothing else.
"""

from __future__ import annotations

import base64
import io
import os
import secrets
from collections.abc import Mapping
from configparser import RawConfigParser
from dataclasses import dataclass
from pathlib import Path

import msgspec

from podlift.cli.errors import HomeError
from podlift.cli.home import Home

Sections = dict[str, dict[str, str]]

ADMIN = "admin"
_PREFIX = "AIRFLOW__"
# `airflow.cfg` of podlift decides these; a variable of the calling shell must not.
_OWN_VARIABLES = ("AIRFLOW_HOME", "AIRFLOW_CONFIG", "AIRFLOW__CORE__UNIT_TEST_MODE")


class Secrets(msgspec.Struct, frozen=True):
    """What must stay the same from one start to the next, and is known to nobody else."""

    password: str
    fernet_key: str
    jwt_secret: str
    cookie_secret: str


@dataclass(frozen=True)
class Serving:
    """How this Airflow is to run."""

    dags: Path
    port: int
    executor: str
    host: str = "127.0.0.1"
    execution_api: str | None = None
    """URL at which task pods reach the execution API, when it is not the one of this machine."""

    @property
    def url(self) -> str:
        """Where the UI and the REST API are, for this machine."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host
        return f"http://{host}:{self.port}"

    @property
    def execution_url(self) -> str:
        """Where a task reports to."""
        return self.execution_api or f"{self.url}/execution/"


def load_secrets(home: Home) -> Secrets:
    """Return the secrets of this home, made at the first call. Raises HomeError."""
    file = home.airflow / "secrets.json"
    try:
        return msgspec.json.decode(file.read_bytes(), type=Secrets)
    except FileNotFoundError:
        made = _make_secrets()
        _write_private(file, msgspec.json.encode(made))
        return made
    except msgspec.DecodeError as error:
        raise HomeError(
            f"{file} is damaged ({error}): remove the folder {home.root} to start afresh,"
            " or choose another home with --home FOLDER."
        ) from error


def write_configuration(
    home: Home,
    serving: Serving,
    keys: Secrets,
    extra: Mapping[str, Mapping[str, str]] | None = None,
) -> None:
    """Write `airflow.cfg` and the password file, readable by their owner only.

    `extra` holds options by section; podlift's own come on top of them.
    """
    parser = RawConfigParser()
    parser.read_dict(extra or {})
    parser.read_dict(_own_options(home, serving, keys))
    text = io.StringIO()
    text.write("# Written by podlift at every start; what you change here will not last.\n")
    # Airflow interpolates `%(name)s`; a value must not be taken for that.
    for section in parser.sections():
        for option, value in parser.items(section):
            parser.set(section, option, value.replace("%", "%%"))
    parser.write(text)
    _write_private(home.airflow / "airflow.cfg", text.getvalue().encode())
    _write_private(_password_file(home), msgspec.json.encode({ADMIN: keys.password}))


def airflow_environment(home: Home, inherited: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for Airflow's processes: the caller's, without its Airflow options."""
    kept = {
        name: value
        for name, value in inherited.items()
        if not name.startswith(_PREFIX) and name not in _OWN_VARIABLES
    }
    # A terminal's width and colours have no meaning in a log file.
    return kept | {"AIRFLOW_HOME": str(home.airflow), "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"}


def options_from_environment(inherited: Mapping[str, str]) -> Sections:
    """Return the options that the caller set as `AIRFLOW__SECTION__OPTION`, by section."""
    found: Sections = {}
    for name, value in inherited.items():
        section, separator, option = name.removeprefix(_PREFIX).partition("__")
        if name.startswith(_PREFIX) and separator and name not in _OWN_VARIABLES:
            found.setdefault(section.lower(), {})[option.lower()] = value
    return found


def _own_options(home: Home, serving: Serving, keys: Secrets) -> Sections:
    return {
        "core": {
            "executor": serving.executor,
            "dags_folder": str(serving.dags),
            "load_examples": "False",
            "fernet_key": keys.fernet_key,
            "execution_api_server_url": serving.execution_url,
            "simple_auth_manager_users": f"{ADMIN}:admin",
            "simple_auth_manager_passwords_file": str(_password_file(home)),
            # The default asks the name service, which takes seconds where there is none.
            "hostname_callable": "socket.gethostname",
        },
        "database": {
            # Airflow uses write-ahead logging; writers wait for each other this many seconds.
            "sql_alchemy_conn": f"sqlite:///{home.airflow / 'airflow.db'}?timeout=30",
            "check_migrations": "False",
        },
        "api": {
            "host": serving.host,
            "port": str(serving.port),
            "base_url": serving.url,
            "workers": "1",
            "worker_timeout": "30",
            "secret_key": keys.cookie_secret,
        },
        "api_auth": {"jwt_secret": keys.jwt_secret},
        "logging": {"base_log_folder": str(home.task_logs), "colored_console_log": "False"},
        # Airflow's supervisor may notice the end of its task only when it next wakes to report.
        "workers": {"min_heartbeat_interval": "1"},
        "scheduler": {"scheduler_idle_sleep_time": "0.25"},
        "dag_processor": {"refresh_interval": "5", "min_file_process_interval": "5"},
    }


def _password_file(home: Home) -> Path:
    return home.airflow / "passwords.json"


def _make_secrets() -> Secrets:
    return Secrets(
        password=secrets.token_urlsafe(12),
        fernet_key=base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        jwt_secret=secrets.token_urlsafe(48),
        cookie_secret=secrets.token_urlsafe(32),
    )


def _write_private(file: Path, content: bytes) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "wb") as stream:
        stream.write(content)
