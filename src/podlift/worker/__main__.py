"""``python -m podlift.worker``: run the one task that this pod was made for."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import NoReturn

from podlift.worker.errors import WorkerError
from podlift.worker.importing import import_for_a_task, without_collecting
from podlift.worker.outcome import ExitCode
from podlift.worker.workload import Workload, is_task, read_workload, take_workload


def main() -> ExitCode:
    """Run the workload from the environment. Says in one sentence on stderr why it cannot."""
    # The first process of a container ignores SIGTERM unless it asks for it. Once the task runs,
    # Airflow's supervisor takes the signal over and tells the task.
    signal.signal(signal.SIGTERM, _stop)
    try:
        with without_collecting():
            workload = _open_workload()
            from podlift.worker.running import run_workload

        return run_workload(workload)
    except WorkerError as error:
        print(f"podlift.worker: {error}", file=sys.stderr)
        return error.code


def _open_workload() -> Workload:
    data = take_workload(os.environ)
    if is_task(data):
        import_for_a_task()
    return read_workload(data)


def _stop(signum: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + signum)


if __name__ == "__main__":
    sys.exit(main())
