"""Airflow's tables in a PostgreSQL of the tests: by Airflow once, afterwards from a dump.

Making them takes Airflow five seconds of processor time, and there is an Airflow for every story
that is played. The dump is kept in the cache folder under both versions.
"""

from __future__ import annotations

import asyncio
import sys
from importlib.metadata import version
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tests.e2e.postgres import program

from podlift.cli.home import Home, cache_folder


async def migrate(home: Home, environment: dict[str, str]) -> None:
    """See to it that the empty database of this environment has the installed Airflow's tables."""
    address = environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
    log = home.process_logs / "db-migrate.log"
    there = _place(address)
    dump = _dump()
    if dump.exists():
        strict = ("--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", "--single-transaction")
        await _run(log, environment, str(program("psql")), *there, *strict, f"--file={dump}")
        return
    await _run(log, environment, sys.executable, "-m", "airflow", "db", "migrate")
    dump.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = dump.with_name(f"{dump.name}.{log.stat().st_ino}")
    await _run(log, environment, str(program("pg_dump")), *there, f"--file={unfinished}")
    unfinished.replace(dump)


def _place(address: str) -> tuple[str, ...]:
    parts = urlsplit(address)
    [folder] = parse_qs(parts.query)["host"]
    return f"--host={folder}", f"--username={parts.username}", f"--dbname={parts.path[1:]}"


def _dump() -> Path:
    postgres = program("psql").parents[1].name
    return cache_folder() / f"airflow-{version('apache-airflow-core')}-postgresql-{postgres}.sql"


async def _run(log: Path, environment: dict[str, str], *command: str) -> None:
    with log.open("ab") as written:
        process = await asyncio.create_subprocess_exec(
            *command, env=environment, stdout=written, stderr=asyncio.subprocess.STDOUT
        )
        assert await process.wait() == 0, log.read_text()[-2000:]
