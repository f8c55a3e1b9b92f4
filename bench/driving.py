"""Does what the scheduler's loop does with an executor, and takes the time of it."""

from __future__ import annotations

import gc
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import Unmeasured

if TYPE_CHECKING:
    from airflow.executors.workloads import ExecuteTask

    from podlift.executor import KubernetesExecutor

_PATIENCE = 600.0
FINAL = ("success", "failed")


def configure(folder: Path, **options: object) -> None:
    """An Airflow of its own in `folder`; to be called before anything of Airflow is imported."""
    for name in [name for name in os.environ if name.startswith("AIRFLOW__")]:
        del os.environ[name]
    logs = folder / "logs" / "dag_id=bench"
    logs.mkdir(parents=True)
    # The worker's log is there, as where a volume for logs is shared: nothing is left to be kept.
    (logs / "attempt=1.log").touch()
    settings = {
        "AIRFLOW_HOME": folder,
        "AIRFLOW__CORE__EXECUTOR": "podlift.executor.KubernetesExecutor",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": folder / "logs",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
        "AIRFLOW__API_AUTH__JWT_SECRET": "s" * 64,
        **{f"AIRFLOW__PODLIFT__{name.upper()}": value for name, value in options.items()},
    }
    os.environ.update({name: str(value) for name, value in settings.items()})


@dataclass
class Beats:
    """How long heartbeats took, in seconds."""

    taken: list[float] = field(default_factory=list)

    def milliseconds(self) -> dict[str, float]:
        """The middle, the 99th percentile and the longest."""
        if not self.taken:
            return {}
        ordered = sorted(self.taken)
        return {
            "beats": len(ordered),
            "p50": statistics.median(ordered) * 1e3,
            "p99": ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))] * 1e3,
            "max": ordered[-1] * 1e3,
        }


class Driver:
    """One executor and what was heard of it."""

    def __init__(self, executor: KubernetesExecutor) -> None:
        self.executor = executor
        self.ended = 0
        self.failed: list[Any] = []
        self.announced = 0
        self.beats = Beats()
        self.collections: list[float] = []
        """Seconds that the garbage collector stopped everything, each time."""
        self._collecting = 0.0
        gc.callbacks.append(self._collection)

    def _collection(self, phase: str, _: dict[str, int]) -> None:
        if phase == "start":
            self._collecting = time.perf_counter()
        else:
            self.collections.append(time.perf_counter() - self._collecting)

    def queue(self, tasks: list[ExecuteTask]) -> None:
        for task in tasks:
            self.executor.queue_workload(task, session=None)  # type: ignore[arg-type]

    def beat(self) -> None:
        """One heartbeat, with what the scheduler does before and after left out of the time."""
        began = time.perf_counter()
        self.executor.heartbeat()
        self.beats.taken.append(time.perf_counter() - began)
        for state, info in self.executor.get_event_buffer().values():
            if str(state) in FINAL:
                self.ended += 1
                if str(state) == "failed":
                    self.failed.append(info)
            else:
                self.announced += 1

    def until(self, condition: Callable[[], bool], pause: float) -> float:
        """Heartbeats, `pause` seconds apart, until the condition holds; the seconds it took."""
        began = time.perf_counter()
        while not condition():
            self.beat()
            if self.failed:
                raise Unmeasured(f"a task failed: {self.failed[0]}")
            if time.perf_counter() - began > _PATIENCE:
                raise Unmeasured(f"only {self.ended} tasks ended within {_PATIENCE:.0f} s")
            time.sleep(pause)
        return time.perf_counter() - began

    def rest(self, seconds: float, pause: float) -> None:
        """Heartbeats for some time."""
        end = time.perf_counter() + seconds
        self.until(lambda: time.perf_counter() >= end, pause)

    def forget_beats(self) -> dict[str, float]:
        """The heartbeats so far, in milliseconds; counting starts anew."""
        found = self.beats.milliseconds()
        found["collection"] = max(self.collections, default=0.0) * 1e3
        self.beats = Beats()
        self.collections.clear()
        return found


@contextmanager
def started() -> Iterator[Driver]:
    """An executor that is ended afterwards. `configure` comes first."""
    from podlift.executor import KubernetesExecutor

    executor = KubernetesExecutor(parallelism=1_000_000)
    executor.start()
    try:
        yield Driver(executor)
    finally:
        executor.end()


def megabytes() -> float:
    """Memory of this process that is resident now."""
    gc.collect()
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024
