"""Who is measured, with which settings, at which pace."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PODLIFT_PYTHON = ROOT / ".venv" / "bin" / "python"
STANDARD_PYTHON = ROOT / ".venv-standard" / "bin" / "python"

SCHEDULERS_PACE = 1.0
FLAT_OUT = 0.01
"""Seconds between two heartbeats. Without any pause a loop would take the processor from the very
threads and processes it waits for; Airflow's spends more time than that between two heartbeats."""


@dataclass(frozen=True)
class Contender:
    """An executor in its environment with its settings."""

    name: str
    python: Path
    executor: str
    section: str
    pause: float
    window: float
    """Seconds that a measurement of its throughput may take."""
    options: dict[str, Any] = field(default_factory=dict)
    needed: dict[str, Any] = field(default_factory=dict)
    """Settings that say where, not how."""
    jobs: tuple[Any, Any] = (1, 2)
    """Ids of two schedulers' jobs."""
    words: str = ""
    """The settings, to be read by people."""
    sources: Path | None = None
    """Whose package is taken instead of the one that is installed."""
    profiled: bool = False

    @property
    def is_podlift(self) -> bool:
        """Whether it is the one that the others are compared with."""
        return self.section == "podlift"

    @property
    def setting(self) -> str:
        """The name without the pace, where Airflow's own scheduler sets it."""
        return self.name.partition(",")[0]

    @property
    def flat_out(self) -> bool:
        """Whether the loop goes on without a rest."""
        return self.pause < SCHEDULERS_PACE


def _podlift(pace: str, pause: float) -> Contender:
    return Contender(
        name=f"Podlift, {pace}",
        python=PODLIFT_PYTHON,
        executor="podlift.executor.KubernetesExecutor",
        section="podlift",
        pause=pause,
        window=60.0,
        needed={"in_cluster": False},
        words="defaults",
    )


def _standard(tuning: str, pace: str, pause: float, window: float) -> Contender:
    options = TUNINGS[tuning]
    return Contender(
        name=f"standard {tuning}, {pace}",
        python=STANDARD_PYTHON,
        executor="airflow.providers.cncf.kubernetes.executors.kubernetes_executor.KubernetesExecutor",
        section="kubernetes_executor",
        pause=pause,
        window=window,
        options=options,
        needed={
            "in_cluster": False,
            "worker_container_repository": "busybox",
            "worker_container_tag": "1.36",
        },
        # Not a number, so that it does not ask the database, before each creation, for a row that
        # is not there: a query less than in a deployment.
        jobs=("one", "two"),
        words=", ".join(f"{name} = {value}" for name, value in options.items()) or "defaults",
    )


TUNINGS: dict[str, dict[str, Any]] = {
    "at its defaults": {},
    "as documented": {"worker_pods_creation_batch_size": 16},
    "tuned best": {
        "worker_pods_creation_batch_size": 1000,
        "async_pod_creation": True,
        "pod_creation_max_concurrency": 32,
    },
}
_ONCE, _OFTEN = "a heartbeat a second", "flat out"

PODLIFT = _podlift(_ONCE, SCHEDULERS_PACE)
PODLIFT_FLAT_OUT = _podlift(_OFTEN, FLAT_OUT)
STANDARD_BEST = _standard("tuned best", _OFTEN, FLAT_OUT, 30.0)
STANDARD_DEFAULT = _standard("at its defaults", _ONCE, SCHEDULERS_PACE, 10.0)

ALL = (
    PODLIFT,
    PODLIFT_FLAT_OUT,
    STANDARD_DEFAULT,
    _standard("at its defaults", _OFTEN, FLAT_OUT, 10.0),
    _standard("as documented", _ONCE, SCHEDULERS_PACE, 10.0),
    _standard("as documented", _OFTEN, FLAT_OUT, 10.0),
    _standard("tuned best", _ONCE, SCHEDULERS_PACE, 30.0),
    STANDARD_BEST,
)
