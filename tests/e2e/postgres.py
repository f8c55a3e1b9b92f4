"""A PostgreSQL of the tests' own: a temporary folder, a Unix socket, gone afterwards."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_INSTALLED = Path("/usr/lib/postgresql")


@contextmanager
def postgres() -> Iterator[str]:
    """Run a server with an empty database; gives SQLAlchemy's address of it.

    Raises RuntimeError, saying what to install, where there is no PostgreSQL.
    """
    # Not under pytest's folder: the path of a Unix socket has room for 107 bytes only, and
    # PostgreSQL, which refuses to run as root, could not enter it.
    folder = Path(tempfile.mkdtemp(prefix="podlift-pg-"))
    try:
        _own(folder)
        data = folder / "data"
        _run("initdb", "--auth=trust", "--username=airflow", "--no-sync", f"--pgdata={data}")
        settings = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
        start = ("--wait", f"--log={folder / 'log'}", f"--options={settings}", "start")
        _run("pg_ctl", f"--pgdata={data}", *start)
        try:
            _run("createdb", f"--host={folder}", "--username=airflow", "airflow")
            yield f"postgresql+psycopg2://airflow@/airflow?host={folder}"
        finally:
            _run("pg_ctl", f"--pgdata={data}", "--mode=immediate", "--wait", "stop")
    finally:
        shutil.rmtree(folder)


def _own(folder: Path) -> None:
    if os.geteuid() == 0:
        user = pwd.getpwnam("postgres")
        os.chown(folder, user.pw_uid, user.pw_gid)


def _run(name: str, *arguments: str) -> None:
    command: Sequence[str] = (str(program(name)), *arguments)
    user = "postgres" if os.geteuid() == 0 else None
    done = subprocess.run(
        command,
        user=user,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,  # not a pipe: the server would hold it open
        stderr=subprocess.DEVNULL,
        cwd="/",
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"`{' '.join(command)}` failed with exit code {done.returncode}.")


def program(name: str) -> Path:
    """The path of one of PostgreSQL's programs, of the newest version that is installed."""
    found = sorted(_INSTALLED.glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    if not found:
        raise RuntimeError("These tests need PostgreSQL: apt install postgresql")
    return found[-1]
