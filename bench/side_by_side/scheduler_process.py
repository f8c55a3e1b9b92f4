"""An executor, driven as Airflow's scheduler drives it, in a process and an environment of its own.

    python -m bench.side_by_side.scheduler_process SPECIFICATION

SPECIFICATION is a file of JSON, see ``Specification``. Nothing is imported here but Airflow, the
executor and the standard library, so that the same module drives either executor in the
environment in which it is installed. It says a line of JSON when the executor has started, and one
to each command that it reads, a line of JSON too: ``do`` names the method of ``Driver``, the rest
are its arguments. Between commands heartbeats go on.
"""

from __future__ import annotations

import gc
import json
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TextIO

from bench import Unmeasured
from bench.driving import Beats
from bench.load import task
from bench.side_by_side.accounts import cpu_by_process, megabytes, spent
from bench.side_by_side.profiling import Profiling
from bench.side_by_side.rows import write_queued

if TYPE_CHECKING:
    from airflow.executors.workloads import ExecuteTask

_DATABASE = "airflow.db"
_LOOKS = 0.02
"""Seconds between two looks for a command."""


class Driver:
    """What the scheduler's loop does with an executor, and what it hears."""

    def __init__(
        self, executor: Any, pause: float, database: Path, profiling: Profiling | None = None
    ) -> None:
        self._executor = executor
        self._database = database
        self._profiling = profiling
        self._pause = pause
        self._beats = Beats()
        self._ended: set[Any] = set()
        self._before: dict[str, float] = cpu_by_process()

    def beat(self) -> None:
        """One heartbeat, with what the scheduler does after it left out of the time."""
        began = time.perf_counter()
        self._executor.heartbeat()
        self._beats.taken.append(time.perf_counter() - began)
        for key, (state, info) in self._executor.get_event_buffer().items():
            self._hear(key, None if state is None else str(state), info)
        # The scheduler writes them to its database, and takes them out.
        self._executor._task_event_logs.clear()

    def _hear(self, key: Any, state: str | None, info: object) -> None:
        if state == "failed":
            raise Unmeasured(f"task {key} failed: {info}")
        # The standard executor leaves it to the database whether a pod that succeeded is a
        # success. It has no rows here.
        if state in ("success", None):
            self._ended.add(key)

    def queue(self, count: int, first: int) -> dict[str, Any]:
        """Hand tasks over, numbered from ``first``; says who they are."""
        made = self._make(count, first)
        self._hand_over(made)
        return {"ids": {each.ti.task_id: str(each.ti.id) for each in made}}

    def _make(self, count: int, first: int) -> list[ExecuteTask]:
        made = [task(first + number) for number in range(count)]
        for each in made:  # as the scheduler does
            each.token = each.generate_token(str(each.ti.id), self._executor.jwt_generator)
        if isinstance(self._executor.job_id, int):  # an executor without one asks for no rows
            write_queued(self._database, made, self._executor.job_id)
        return made

    def _hand_over(self, made: Iterable[ExecuteTask]) -> None:
        for each in made:
            self._executor.queue_workload(each, session=None)

    def finish(self, count: int, first: int, seconds: float) -> dict[str, Any]:
        """Have tasks run from queued to ended, or as many as there is time for."""
        made = self._make(count, first)
        self._forget()
        already = len(self._ended)
        wall, began = time.time(), time.perf_counter()
        self._hand_over(made)
        last, heard = began, 0
        while heard < count and time.perf_counter() - began < seconds:
            self.beat()
            if (now := len(self._ended) - already) != heard:
                heard, last = now, time.perf_counter()
            if heard < count:
                time.sleep(self._pause)
        return {
            "tasks": heard,
            "seconds": last - began,
            "began": wall,
            "until": time.time(),
            **self.report(),
        }

    def wait(self, ended: int, seconds: float) -> dict[str, Any]:
        """Go on until so many are known to have ended."""
        began = time.perf_counter()
        while len(self._ended) < ended:
            if time.perf_counter() - began > seconds:
                raise Unmeasured(
                    f"after {seconds:.0f} s {len(self._ended)} of {ended} tasks are known to have"
                    " ended"
                )
            self.beat()
            time.sleep(self._pause)
        return {"seconds": time.perf_counter() - began, "at": time.time()}

    def adopt(self, ids: dict[str, str], left_by: Any) -> dict[str, Any]:
        """Take over another scheduler's running tasks; how long the loop stands still for it."""
        from airflow.models.taskinstancekey import TaskInstanceKey
        from airflow.utils.state import TaskInstanceState

        orphans = []
        for name, ti_id in ids.items():
            dto = task(0).ti
            key = TaskInstanceKey(dto.dag_id, name, dto.run_id, dto.try_number, dto.map_index)
            orphans.append(
                SimpleNamespace(
                    key=key, id=ti_id, state=TaskInstanceState.RUNNING, queued_by_job_id=left_by
                )
            )
        began = time.perf_counter()
        left = self._executor.try_adopt_task_instances(orphans)
        return {"seconds": time.perf_counter() - began, "not_adopted": len(left)}

    def ended_tasks(self) -> dict[str, Any]:
        """Which tasks are known to have ended."""
        return {"names": sorted(key.task_id for key in self._ended)}

    def report(self) -> dict[str, Any]:
        """Heartbeats in milliseconds and CPU seconds since the last time, and memory now."""
        now = cpu_by_process()
        found = {
            "beats": self._beats.milliseconds(),
            "cpu": spent(self._before, now),
            "megabytes": megabytes(),
            "ended": len(self._ended),
        }
        self._forget()
        return found

    def profile(self) -> dict[str, Any]:
        """CPU seconds of each package in the executor's threads since the last time."""
        assert self._profiling is not None
        return {"packages": self._profiling.since()}

    def _forget(self) -> None:
        self._beats = Beats()
        gc.collect()
        self._before = cpu_by_process()


def configure(specification: dict[str, Any]) -> None:
    """Airflow's settings, before anything of it is imported."""
    for name in [name for name in os.environ if name.startswith("AIRFLOW__")]:
        del os.environ[name]
    folder = Path(specification["folder"])
    logs = folder / "logs" / "dag_id=bench"
    logs.mkdir(parents=True, exist_ok=True)
    # The worker's log is there, as where a volume for logs is shared: nothing is left to be kept.
    (logs / "attempt=1.log").touch()
    # Else Airflow writes a file in which all defaults look as if they had been chosen.
    (folder / "airflow.cfg").write_text("[core]\n")
    section = specification["section"].upper()
    settings = {
        "AIRFLOW_HOME": folder,
        "AIRFLOW__CORE__EXECUTOR": specification["executor"],
        "AIRFLOW__CORE__PARALLELISM": 1_000_000,
        "AIRFLOW__CORE__LOAD_EXAMPLES": False,
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": folder / "logs",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        "AIRFLOW__API_AUTH__JWT_SECRET": "s" * 64,
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder / _DATABASE}",
        **{
            f"AIRFLOW__{section}__{name.upper()}": value
            for name, value in specification["options"].items()
        },
    }
    os.environ.update({name: str(value) for name, value in settings.items()})


def start(specification: dict[str, Any]) -> Any:
    """The executor, started."""
    module, _, name = specification["executor"].rpartition(".")
    executor = getattr(import_module(module), name)(parallelism=1_000_000)
    executor.job_id = specification["job"]
    _ask_the_database()
    executor.start()
    return executor


def _ask_the_database() -> None:
    """A scheduler has done so before: what that loads is not its executor's to answer for."""
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        session.scalars(select(TaskInstance.id).limit(1)).all()


def serve(driver: Driver, pause: float, commands: TextIO, say: Callable[..., None]) -> None:
    """Do what is asked until nobody asks any more; heartbeats meanwhile."""
    asked: queue.SimpleQueue[str] = queue.SimpleQueue()

    def listen() -> None:
        for line in commands:
            asked.put(line)
        asked.put("")

    threading.Thread(target=listen, daemon=True).start()
    due = time.monotonic()
    while True:
        try:
            line = asked.get(timeout=min(_LOOKS, pause))
        except queue.Empty:
            if time.monotonic() >= due:
                driver.beat()
                due = time.monotonic() + pause
            continue
        if not line:
            return
        command = json.loads(line)
        try:
            say(**getattr(driver, command.pop("do"))(**command))
        except Unmeasured as error:
            say(unmeasured=str(error))


def main(file: str) -> None:
    # Airflow logs to standard output: that is ours alone. And a process that is forked closes its
    # standard input, for which it would wait for ever while a thread of ours is reading there.
    answers, commands = os.fdopen(os.dup(1), "w", buffering=1), os.fdopen(os.dup(0))
    os.dup2(2, 1)
    sys.stdin = None
    specification = json.loads(Path(file).read_text())
    configure(specification)
    profiling = Profiling() if specification["profiled"] else None
    began = time.perf_counter()
    executor = start(specification)
    started = time.perf_counter() - began

    def say(**facts: Any) -> None:
        print(json.dumps(facts), file=answers, flush=True)

    database = Path(specification["folder"], _DATABASE)
    driver = Driver(executor, specification["pause"], database, profiling)
    say(started=started, **driver.report())
    serve(driver, specification["pause"], commands, say)
    # What a process left running would go on measuring nothing; pods are its starter's to remove.
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
