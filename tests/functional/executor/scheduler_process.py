"""The program from which the processes of schedulers are forked: ``scheduler_process.py``.

It has imported everything when it is asked for the first one, so that each takes no time to start.
A line on standard input says where a new process finds its environment, the metadata database, its
orders and its journal; the answer is its pid. What such a process hears from the executor goes into
the journal line by line, so that a SIGKILL loses none of it.
"""

from __future__ import annotations

import base64
import json
import os
import pickle
import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from airflow import settings
from airflow.models.taskinstancekey import TaskInstanceKey
from sqlalchemy import create_engine
from sqlalchemy.orm import sessionmaker

import podlift.executor.engine
from podlift.executor import KubernetesExecutor

_BEAT = 0.02


class Scheduler:
    """Carries out orders and beats the executor, until it is killed or left alone."""

    def __init__(self, job_id: int, orders: Path, journal: Path) -> None:
        self._executor = KubernetesExecutor(parallelism=64)
        self._executor.job_id = job_id
        self._orders = orders.open()
        self._journal = journal.open("a")

    def run(self) -> None:
        self._executor.start()
        self._write("started")
        parent = os.getppid()
        while os.getppid() == parent:  # whatever becomes of the tests, it does not stay behind
            for line in self._orders:
                order = json.loads(line)
                self._carry_out(order["what"], _unpack(order["of"]))
            self._executor.heartbeat()
            for key, (state, info) in self._executor.get_event_buffer().items():
                assert isinstance(key, TaskInstanceKey)
                self._write("heard", task=key.task_id, state=str(state), info=str(info))
            self._write("running", count=len(self._executor.running))
            time.sleep(_BEAT)

    def _carry_out(self, what: str, of: Any) -> None:
        if what == "queue":
            self._executor.queue_workload(of, session=None)  # type: ignore[arg-type]
        elif what == "adopt":
            tis: Any = [SimpleNamespace(**each) for each in of]
            returned = self._executor.try_adopt_task_instances(tis)
            self._write("adopted", returned=[str(ti.id) for ti in returned])

    def _write(self, what: str, **facts: Any) -> None:
        self._journal.write(json.dumps({"what": what, **facts}) + "\n")
        self._journal.flush()


def pack(thing: Any) -> str:
    """Anything as text."""
    return base64.b64encode(pickle.dumps(thing)).decode()


def _unpack(text: str) -> Any:
    return pickle.loads(base64.b64decode(text))


def _become_scheduler(wanted: dict[str, Any]) -> None:
    os.environ.update(wanted["environment"])
    engine = create_engine(wanted["database"], connect_args={"timeout": 20})
    settings.NonScopedSession = sessionmaker(engine)
    Scheduler(wanted["job_id"], Path(wanted["orders"]), Path(wanted["journal"])).run()
    os._exit(0)


def main() -> None:
    """Fork a scheduler for every line."""
    assert podlift.executor.engine  # imported ahead of need
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # pids only
            _become_scheduler(json.loads(line))
        print(pid, flush=True)


if __name__ == "__main__":
    main()
