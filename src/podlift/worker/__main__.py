"""``python -m podlift.worker``: run the one task that this pod was made for."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import NoReturn

from podlift.worker.errors import WorkerError
from podlift.worker.outcome import ExitCode
from podlift.worker.workload import read_workload, take_workload


def main() -> ExitCode:
    """Run the workload from the environment. Says in one sentence on stderr why it cannot."""
    # The first process of a container ignores SIGTERM unless it asks for it. Once the task runs,
    # Airflow's supervisor takes the signal over and tells the task.
    signal.signal(signal.SIGTERM, _stop)
    try:
        data = take_workload(os.environ)
        from podlift.worker.running import run_workload

        return run_workload(read_workload(data))
    except WorkerError as error:
        print(f"podlift.worker: {error}", file=sys.stderr)
        return error.code


def _stop(signum: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + signum)


if __name__ == "__main__":
    sys.exit(main())
