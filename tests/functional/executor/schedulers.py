"""Schedulers in processes of their own, to be killed or stopped by their pid."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import IO, TYPE_CHECKING, Any

from tests.functional.executor.scheduler_process import pack

if TYPE_CHECKING:
    from tests.functional.executor.database import Database

_PROGRAM = Path(__file__).with_name("scheduler_process.py")
_SECONDS = 30.0


class Scheduler:
    """A running scheduler: gives it orders, and reads what it heard."""

    def __init__(
        self, pid: int, job_id: int, database: Database, orders: Path, journal: Path
    ) -> None:
        self.pid = pid
        self._job_id = job_id
        self._database = database
        self._orders = orders
        self._journal = journal

    def queue(self, *tasks: Any) -> None:
        """As Airflow does: a task is its own in the database before the executor hears of it."""
        for task in tasks:
            ti_id, config = str(task.ti.id), task.ti.executor_config
            self._database.add_new(ti_id, "queued", executor_config=config, job_id=self._job_id)
            self._order("queue", task)

    def adopt(self, *tasks: Any, state: str = "running") -> None:
        self._order("adopt", [vars(left_behind(task, state)) for task in tasks])

    def _order(self, what: str, of: Any) -> None:
        with self._orders.open("a") as file:
            file.write(json.dumps({"what": what, "of": pack(of)}) + "\n")

    def lines(self, what: str) -> list[dict[str, Any]]:
        """What it has written of a kind, as far as it was written whole."""
        text = self._journal.read_text() if self._journal.exists() else ""
        found = [json.loads(line) for line in text.splitlines(keepends=True) if line[-1] == "\n"]
        return [line for line in found if line["what"] == what]

    def ends(self, task: Any) -> list[str]:
        """Every end that it reported of a task."""
        return [
            line["state"]
            for line in self.lines("heard")
            if line["task"] == task.ti.task_id and line["state"] in ("success", "failed")
        ]

    def running(self) -> int:
        """How many tasks it counts at present."""
        lines = self.lines("running")
        return int(lines[-1]["count"]) if lines else 0

    def kill(self) -> None:
        """End it from one moment to the next."""
        os.kill(self.pid, signal.SIGKILL)
        until(lambda: not _lives(self.pid))

    def stop(self) -> None:
        """Hold it as it is."""
        os.kill(self.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        os.kill(self.pid, signal.SIGCONT)


class Nursery:
    """Starts schedulers."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self._process = process
        self._folder = folder
        self._started: list[Scheduler] = []

    def start(self, job_id: int, database: Database, environment: Mapping[str, str]) -> Scheduler:
        """Start one; it is beating when this returns."""
        stem = f"{len(self._started)}-{time.monotonic_ns()}"
        orders, journal = self._folder / f"{stem}.orders", self._folder / f"{stem}.journal"
        orders.touch()
        wanted = {
            "job_id": job_id,
            "database": str(database.engine.url),
            "environment": dict(environment),
            "orders": str(orders),
            "journal": str(journal),
        }
        pid = int(self._ask(json.dumps(wanted)))
        scheduler = Scheduler(pid, job_id, database, orders, journal)
        self._started.append(scheduler)
        until(lambda: scheduler.lines("started"))
        return scheduler

    def _ask(self, line: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline()

    def clear(self) -> None:
        """End those that still run; none does when this returns."""
        for scheduler in self._started:
            with suppress(ProcessLookupError):
                os.kill(scheduler.pid, signal.SIGKILL)
        until(lambda: not any(_lives(scheduler.pid) for scheduler in self._started))
        self._started.clear()


@contextmanager
def start_nursery(folder: Path, log: IO[bytes]) -> Iterator[Nursery]:
    """A process to fork schedulers from."""
    command = [sys.executable, str(_PROGRAM)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=log, text=True) as process:
        found = Nursery(process, folder)
        try:
            yield found
        finally:
            found.clear()
            assert process.stdin is not None
            process.stdin.close()


def until(condition: Callable[[], Any], seconds: float = _SECONDS) -> Any:
    """Wait for something to be true; returns it."""
    end = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < end, condition
        time.sleep(0.02)
    return result


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def left_behind(task: Any, state: str = "running", job_id: int = 7) -> Any:
    """A task instance as the scheduler reads it from its database, when another one has died."""
    ti = task.ti
    return SimpleNamespace(id=ti.id, key=ti.key, state=state, queued_by_job_id=job_id)
