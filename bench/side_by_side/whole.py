"""Whole Airflow, with PostgreSQL: a DAG of many trivial tasks from its first to its last."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

import sqlalchemy
from cryptography.fernet import Fernet
from tests.e2e.postgres import postgres

from bench import Unmeasured
from bench.side_by_side.accounts import family_cpu, family_megabytes
from bench.side_by_side.contenders import Contender
from bench.side_by_side.playing import environment, make_database_at
from bench.side_by_side.programs import Programs, programs_in
from bench.side_by_side.requests import Listening, by_verb
from bench.side_by_side.server import free_port
from bench.side_by_side.sites import Site
from bench.side_by_side.workers import Workers

_HOUR = 3600.0
_STARTING = 120.0
_LOOKS = 0.5

_DAG = """\
from datetime import datetime

from airflow.sdk import DAG, task

with DAG("bench", schedule="@once", start_date=datetime(2025, 1, 1), catchup=False):

    @task
    def trivial(number):
        return None

    trivial.expand(number=list(range({tasks})))
"""
_PROGRESS = sqlalchemy.text(
    "SELECT count(*) FILTER (WHERE queued_dttm IS NOT NULL),"
    " count(*) FILTER (WHERE state = 'success'),"
    " count(*) FILTER (WHERE state IN ('failed', 'upstream_failed')) FROM task_instance"
)
_TIMES = sqlalchemy.text(
    "SELECT extract(epoch FROM max(end_date) - min(queued_dttm)),"
    " percentile_cont(0.5) WITHIN GROUP (ORDER BY start_date - queued_dttm),"
    " max(start_date - queued_dttm)"
    " FROM task_instance WHERE state = 'success'"
)


async def whole(site: Site, contender: Contender, tasks: int, window: float) -> dict[str, Any]:
    """Run the DAG by one executor; what has not ended within the window is left out."""
    async with site.namespace() as namespace:
        with _home(site.folder) as home, programs_in(home) as programs, _database(programs) as at:
            port = free_port()
            settings = _settings(site, contender, namespace, home, at, port)
            (home / "dags").mkdir()
            (home / "dags" / "bench_dag.py").write_text(_DAG.format(tasks=tasks))
            await make_database_at(contender.python, settings)
            listening = Listening(site.audit_log)
            with _airflow(programs, contender, settings, port):
                url = f"http://127.0.0.1:{port}"
                workers = Workers(site.client, namespace, url, home / "logs")
                async with _working(workers) as work:
                    found = await _watch(at, programs, work, tasks, window)
            requests = listening.heard()
            return found | ({} if requests is None else {"requests": by_verb(requests)})


@contextmanager
def _airflow(
    programs: Programs, contender: Contender, settings: dict[str, str], port: int
) -> Iterator[None]:
    """Airflow's processes, ended before the database that they use."""
    parts = {
        "api-server": ("--host", "127.0.0.1", "--port", port, "--workers", 1),
        "scheduler": (),
        "dag-processor": (),
    }
    started = []
    try:
        for name, options in parts.items():
            command = (contender.python, "-m", "airflow", name, *options)
            programs.start(name, *command, environment=settings)
            started.append(name)
            if name == "api-server":  # the first worker would not find it
                programs.wait_for(name, _answers(port), _STARTING)
        yield
    finally:
        for name in reversed(started):
            programs.stop(name)


def _answers(port: int) -> Iterator[bool]:
    while True:
        try:
            with urlopen(f"http://127.0.0.1:{port}/api/v2/version", timeout=5) as answer:
                yield answer.status == 200
        except OSError:
            yield False


async def _watch(
    address: str, programs: Programs, workers: asyncio.Task[None], tasks: int, window: float
) -> dict[str, Any]:
    engine = sqlalchemy.create_engine(address)
    scheduler = programs.pids()["scheduler"]
    try:
        began, cpu, give_up = 0.0, 0.0, time.monotonic() + _STARTING
        while True:
            queued, succeeded, failed = await asyncio.to_thread(_row, engine, _PROGRESS)
            if not queued:
                cpu = family_cpu(scheduler)
                if time.monotonic() > give_up:
                    raise Unmeasured(f"Airflow queued no task in {_STARTING:.0f} s")
            elif not began:
                began = time.monotonic()
            programs.check()
            if workers.done():
                raise Unmeasured(f"the played workers failed: {workers.exception()!r}")
            if succeeded + failed >= tasks or (began and time.monotonic() - began > window):
                break
            await asyncio.sleep(_LOOKS)
        spent = family_cpu(scheduler) - cpu
        seconds, middle, longest = await asyncio.to_thread(_row, engine, _TIMES)
        if not succeeded:
            raise Unmeasured("no task succeeded")
        return {
            "tasks": succeeded,
            "of": tasks,
            "failed": failed,
            "seconds": float(seconds),
            "until_running": {"p50": middle.total_seconds(), "max": longest.total_seconds()},
            "scheduler_cpu": spent,
            "megabytes": family_megabytes(scheduler),
        }
    finally:
        engine.dispose()


def _row(engine: sqlalchemy.Engine, query: sqlalchemy.TextClause) -> Any:
    with engine.connect() as connection:
        return connection.execute(query).one()


@asynccontextmanager
async def _working(workers: Workers) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(workers.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@contextmanager
def _home(folder: Path) -> Iterator[Path]:
    home = folder / f"whole-{secrets.token_hex(4)}"
    home.mkdir()
    # Else Airflow writes a file in which all defaults look as if they had been chosen.
    (home / "airflow.cfg").write_text("[core]\n")
    yield home


@contextmanager
def _database(programs: Programs) -> Iterator[str]:
    try:
        with postgres() as address:
            (folder,) = parse_qs(urlsplit(address).query)["host"]
            pid = Path(folder, "data", "postmaster.pid").read_text().splitlines()[0]
            programs.note("postgres", int(pid))
            yield address
    except RuntimeError as error:
        raise Unmeasured(str(error)) from error


def _settings(
    site: Site, contender: Contender, namespace: str, home: Path, database: str, port: int
) -> dict[str, str]:
    url = f"http://127.0.0.1:{port}"
    section = contender.section.upper()
    options = {
        "namespace": namespace,
        "config_file": site.measured,
        "pod_template_file": site.template(_HOUR),
        **contender.needed,
        **contender.options,
    }
    settings = {
        "AIRFLOW_HOME": home,
        "AIRFLOW__CORE__EXECUTOR": contender.executor,
        "AIRFLOW__CORE__DAGS_FOLDER": home / "dags",
        "AIRFLOW__CORE__LOAD_EXAMPLES": False,
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": False,
        "AIRFLOW__CORE__PARALLELISM": 10_000,
        "AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG": 10_000,
        "AIRFLOW__CORE__MAX_MAP_LENGTH": 10_000,
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": True,
        "AIRFLOW__CORE__FERNET_KEY": Fernet.generate_key().decode(),
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API__SECRET_KEY": "s" * 64,
        "AIRFLOW__API_AUTH__JWT_SECRET": "s" * 64,
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database,
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": home / "logs",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
        "AIRFLOW__SCHEDULER__MAX_TIS_PER_QUERY": 512,
        **{f"AIRFLOW__{section}__{name.upper()}": value for name, value in options.items()},
    }
    return {**environment(), **{name: str(value) for name, value in settings.items()}}
