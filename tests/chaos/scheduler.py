"""The program of the schedulers' processes: ``python -m tests.chaos.scheduler``.

It imports Airflow once, which takes seconds, and then forks a scheduler for each line that it
reads, the path of a journal. It tells of every birth (``born PID JOURNAL``) and every death
(``dead PID CODE``).

What it does with the executor and the database is Airflow's own code: the queueing of the critical
section, adoption, revocation of stuck tasks, the processing of executor events. Its loop leaves out
what a run does not need: parsing, DAG runs, triggers, deadlines.

The journal is a file of JSON lines, written at once, so that a SIGKILL loses none.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import random
import select
import signal
import sys
import time
import traceback
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from airflow import settings
from airflow.jobs.job import Job
from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
from airflow.models.taskinstance import TaskInstance
from airflow.models.taskinstancekey import TaskInstanceKey
from airflow.utils.session import create_session
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError, OperationalError

from podlift.executor import KubernetesExecutor
from podlift.kube.watching import watch

_NEEDED = ("podlift.executor.deployment", "podlift.executor.engine")
"""What every scheduler imports when it starts its executor; here it is imported once."""
_BEAT = 0.2
_SILENCE = 6.0
"""Seconds instead of a minute and a half after which a silent watch is given up: a run is short."""


class Journal:
    """What a scheduler heard and did, for the judge."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._life = os.getpid()

    def write(self, what: str, **facts: Any) -> None:
        """Add a line."""
        line = json.dumps({"what": what, "at": time.time(), "life": self._life, **facts})
        self._file.write(line + "\n")
        self._file.flush()


class Scheduler(SchedulerJobRunner):
    """Airflow's scheduler, with a loop that lets a judge look in."""

    def __init__(self, job: Job, journal: Journal) -> None:
        super().__init__(job)
        self._journal = journal
        self._stopping = False
        self._due: dict[str, float] = {}
        assert isinstance(self.executor, KubernetesExecutor)
        self._podlift = self.executor
        _overhear(self._podlift, journal)

    def run_until_told(self) -> None:
        """Schedule until SIGTERM."""
        signal.signal(signal.SIGTERM, self._stop)
        self._podlift.job_id = self.job.id
        self._podlift.start()
        self._journal.write("started", job=self.job.id)
        while not self._stopping:
            began = time.monotonic()
            self._turn()
            time.sleep(max(0.0, _BEAT - (time.monotonic() - began)))
        self._podlift.end()
        self._journal.write("ended", job=self.job.id)

    def _stop(self, *_: object) -> None:
        self._stopping = True

    def _turn(self) -> None:
        if self._is_due("adopt", 1.5):
            self.adopt_or_reset_orphaned_tasks()
        if self._is_due("stuck", 1.0):
            self._handle_tasks_stuck_in_queued()
        with create_session() as session:
            _schedule_again(session)
        with create_session() as session, suppress(OperationalError):  # the other one is at it
            self._critical_section_enqueue_task_instances(session)
        self._beat_executor()
        with create_session() as session:
            self._process_executor_events(executor=self._podlift, session=session)
        # Airflow, too, goes on when the entries of the event log cannot be written.
        with suppress(IntegrityError), create_session() as session:
            self._process_task_event_logs(self._podlift._task_event_logs, session)
        if self._is_due("heartbeat", 0.5):
            self._beat_job()
        if self._is_due("status", 0.5):
            self._write_status()

    def _is_due(self, name: str, seconds: float) -> bool:
        now = time.monotonic()
        if now < self._due.get(name, 0.0):
            return False
        self._due[name] = now + seconds
        return True

    def _beat_executor(self) -> None:
        began = time.perf_counter()
        self._podlift.heartbeat()
        took = time.perf_counter() - began
        for key, (state, info) in self._podlift.event_buffer.items():
            if isinstance(key, TaskInstanceKey):
                facts = {"index": key.map_index, "try": key.try_number, "state": str(state)}
                self._journal.write("heard", **facts, info=str(info) if info else "")
        if took > 0.05:
            self._journal.write("slow heartbeat", seconds=round(took, 3))

    def _beat_job(self) -> None:
        from airflow._shared.timezones import timezone

        with create_session() as session:
            session.merge(self.job)
            self.job.latest_heartbeat = timezone.utcnow()
            session.merge(self.job)

    def _write_status(self) -> None:
        self._journal.write(
            "status",
            slots=self._podlift.slots_occupied,
            running=[
                key.map_index
                for key in list(self._podlift.running)
                if isinstance(key, TaskInstanceKey)
            ],
            census=_census(self._podlift),
        )


def _census(executor: KubernetesExecutor) -> dict[str, int]:
    """How many executions the engine holds, by state."""
    control = executor._engine._control if executor._engine else None
    executions = list(control._executions.values()) if control else []
    return Counter(each.record.state.value for each in executions)


def _overhear(executor: KubernetesExecutor, journal: Journal) -> None:
    """Write down what the scheduler asks of the executor."""
    queue, adopt = executor.queue_workload, executor.try_adopt_task_instances
    revoke = executor.revoke_task

    def queue_workload(workload: Any, session: Any) -> None:
        journal.write("queued", index=workload.ti.map_index, ti=str(workload.ti.id))
        queue(workload, session)

    def try_adopt(tis: Any) -> Any:
        returned = adopt(tis)
        ids = {ti.id for ti in returned}
        for ti in tis:
            taken = ti.id not in ids
            journal.write("adopted" if taken else "handed back", index=ti.map_index, ti=str(ti.id))
        return returned

    def revoke_task(*, ti: Any) -> None:
        journal.write("revoked", index=ti.map_index, ti=str(ti.id))
        revoke(ti=ti)

    executor.queue_workload = queue_workload  # type: ignore[method-assign]
    executor.try_adopt_task_instances = try_adopt  # type: ignore[method-assign]
    executor.revoke_task = revoke_task  # type: ignore[method-assign]


def _schedule_again(session: Any) -> None:
    """What ``DagRun.schedule_tis`` does with task instances that were reset."""
    session.execute(
        update(TaskInstance)
        .where(TaskInstance.state.is_(None))
        .values(state="scheduled", try_number=TaskInstance.try_number + 1)
        .execution_options(synchronize_session=False)
    )


def schedule(journal_path: Path) -> None:
    """Be one scheduler."""
    assert watch.__kwdefaults__ is not None
    watch.__kwdefaults__["silence"] = _SILENCE
    job = Job()  # type: ignore[no-untyped-call]
    with journal_path.open("a", encoding="utf-8") as file:
        scheduler = Scheduler(job, Journal(file))
        job.prepare_for_execution()
        scheduler.run_until_told()


def _fork(journal_path: Path) -> int:
    if pid := os.fork():
        return pid
    code = 1
    try:
        log = os.open(journal_path.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for number in (1, 2):
            os.dup2(log, number)
        random.seed()
        assert settings.engine is not None
        settings.engine.dispose(close=False)  # its connections are the parent's
        schedule(journal_path)
        code = 0
    except Exception:  # noqa: BLE001  whatever ends a scheduler is for its log
        traceback.print_exc()
    finally:
        logging.shutdown()
        sys.stderr.flush()
        os._exit(code)


def _bury() -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        print("dead", pid, os.waitstatus_to_exitcode(status), flush=True)


def main() -> None:
    """Fork schedulers until standard input ends."""
    for name in _NEEDED:
        importlib.import_module(name)
    rest = b""
    while True:
        readable, _, _ = select.select([0], [], [], 0.1)
        _bury()
        if not readable:
            continue
        data = os.read(0, 65536)
        if not data:
            return
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            print("born", _fork(Path(line.decode())), line.decode(), flush=True)


if __name__ == "__main__":
    main()
