"""Airflow's SQLite database: copied ready-made where possible, migrated where needed.

Making the tables takes Airflow four seconds, and the result is the same on every machine. So it is
kept in the cache folder under Airflow's version, and the next new home starts from the copy.
"""

from __future__ import annotations

import shutil
import sqlite3
import sys
from collections.abc import Mapping
from contextlib import closing, suppress
from importlib.metadata import version
from pathlib import Path

from podlift.cli.errors import ProcessDied
from podlift.cli.home import Home, cache_folder
from podlift.cli.processes import Child, Command, describe_exit


async def prepare_database(home: Home, environment: Mapping[str, str]) -> None:
    """See to it that the home's database has the tables of the installed Airflow.

    Raises ProcessDied, with the end of the log, when Airflow cannot migrate it.
    """
    database = home.airflow / "airflow.db"
    stamp = home.airflow / "airflow.db.version"
    installed = version("apache-airflow-core")
    if database.exists() and _read(stamp) == installed:
        return
    template = cache_folder() / f"airflow-{installed}.db"
    if database.exists() or not _copy_template(template, database):
        is_new = not database.exists()
        await _migrate(home, environment)
        if is_new:
            _save_template(database, template)
    stamp.write_text(installed)


async def _migrate(home: Home, environment: Mapping[str, str]) -> None:
    child = await Child.start(
        Command(
            name="airflow db migrate",
            arguments=[sys.executable, "-m", "airflow", "db", "migrate"],
            environment=environment,
            log=home.process_logs / "db-migrate.log",
        )
    )
    try:
        code = await child.ended()
    finally:
        await child.stop(grace=2)
    if code != 0:
        raise ProcessDied(
            f"Airflow could not prepare its database ({describe_exit(code)}):"
            f" read the end of its log below, or all of it in {child.command.log}.",
            child.last_lines(),
        )


def _copy_template(template: Path, database: Path) -> bool:
    """Copy the template if there is a sound one; a damaged one is made again by the caller."""
    if not _is_sound(template):
        return False
    shutil.copyfile(template, database)
    database.chmod(0o600)
    return True


def _is_sound(template: Path) -> bool:
    if not template.is_file():
        return False
    try:
        with closing(sqlite3.connect(f"file:{template}?mode=ro&immutable=1", uri=True)) as opened:
            (verdict,) = opened.execute("PRAGMA quick_check").fetchone()
            (migrations,) = opened.execute("SELECT count(*) FROM alembic_version").fetchone()
    except sqlite3.Error:
        return False
    return bool(verdict == "ok" and migrations == 1)


def _save_template(database: Path, template: Path) -> None:
    # Only a saving of time: a cache folder that cannot be written must not stop anybody.
    with suppress(OSError):
        template.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished = template.with_name(f"{template.name}.{database.stat().st_ino}")
        with (
            closing(sqlite3.connect(database)) as source,
            closing(sqlite3.connect(unfinished)) as target,
        ):
            source.backup(target)  # takes in what is still in the write-ahead log
            # In journal mode WAL a read-only opening would need to write beside the file.
            target.execute("PRAGMA journal_mode=DELETE")
        unfinished.replace(template)


def _read(file: Path) -> str | None:
    return file.read_text() if file.exists() else None
