"""The executor's metrics, through Airflow's own: statsd, Datadog or OpenTelemetry.

One thin function for each thing that happens, named after it; ``docs/metrics.md`` lists the names,
which stay as they are. Where Airflow's metrics are off, a call is one comparison.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from functools import cache
from typing import Any

from podlift.compat import airflow_stats

PREFIX = "podlift."

_tags: ContextVar[Mapping[str, str] | None] = ContextVar("podlift_metric_tags", default=None)


def belong_to(team: str) -> None:
    """Tag what this thread's loop reports from now on with its team, as Airflow's metrics are."""
    _tags.set({"team_name": team} if team else None)


@cache
def _stats() -> Any:
    """Airflow's metrics, or None where they are off. The answer holds for the process."""
    from airflow.configuration import conf

    switches = ("statsd_on", "statsd_datadog_enabled", "otel_on")
    on = any(conf.getboolean("metrics", switch, fallback=False) for switch in switches)
    return airflow_stats() if on else None


def are_on() -> bool:
    """Whether anybody hears of this: what has to be computed first need not be."""
    return _stats() is not None


def _count(name: str) -> None:
    if (stats := _stats()) is not None:
        stats.incr(PREFIX + name, tags=_tags.get())


def _time(name: str, seconds: float) -> None:
    if (stats := _stats()) is not None:
        # A number means milliseconds to statsd and to Airflow's OpenTelemetry logger alike.
        stats.timing(PREFIX + name, max(0.0, seconds) * 1000.0, tags=_tags.get())


def _level(name: str, value: float) -> None:
    if (stats := _stats()) is not None:
        stats.gauge(PREFIX + name, value, tags=_tags.get())


# Pods


def pod_created(seconds: float) -> None:
    """The API server made a pod, ``seconds`` after it was asked to."""
    _count("pods.created")
    _time("pods.create_time", seconds)


def creation_put_off() -> None:
    """The API server was busy or unreachable, or a quota was used up; it is tried again."""
    _count("pods.creations_put_off")


def creation_refused() -> None:
    """The API server, or a rule of ours, will never have this pod."""
    _count("pods.creations_refused")


def pod_started(seconds: float) -> None:
    """The task's container runs, ``seconds`` after its pod was created."""
    _count("pods.started")
    _time("pods.start_time", seconds)


def pod_deleted(seconds: float) -> None:
    """The API server took the deletion of a pod, ``seconds`` after it was asked to."""
    _count("pods.deleted")
    _time("pods.delete_time", seconds)


# Executions


def infrastructure_retried(cause: str) -> None:
    """Another pod is started, because the infrastructure took one away."""
    _count("infrastructure_retries")
    _count(f"infrastructure_retries.{cause}")


def memory_grown() -> None:
    """Another pod with more memory is started, because the task ran out of it."""
    _count("memory_retries")


def execution_ended(success: bool, cause: str) -> None:
    """An end is reported to Airflow; ``cause`` says why it failed."""
    if success:
        _count("executions.succeeded")
    else:
        _count("executions.failed")
        _count(f"executions.failed.{cause}")


def log_kept() -> None:
    """A pod's log is safe."""
    _count("logs.kept")


def log_lost() -> None:
    """A pod's log could not be kept."""
    _count("logs.failed")


# Watching


def watch_lagged(seconds: float) -> None:
    """The watch told of a pod ``seconds`` after the server had made it."""
    _time("watch.lag", seconds)


def relisted() -> None:
    """All pods were listed anew, because the watch had lost its place."""
    _count("watch.relists")


# Levels, some times a minute


def creation_rate(per_second: float) -> None:
    """Creations a second that are allowed at present."""
    _level("create_rate", per_second)


def standing(by_state: Mapping[str, int], pending: Mapping[str, int]) -> None:
    """How many executions are in each state, and how many pods pend for which reason."""
    _level("queue_depth", by_state.get("queued", 0) + by_state.get("creating", 0))
    for state, number in by_state.items():
        _level(f"executions.{state.replace(' ', '_')}", number)
    _level("pods.pending", sum(pending.values()))
    for reason, number in pending.items():
        _level(f"pods.pending.{reason}", number)
