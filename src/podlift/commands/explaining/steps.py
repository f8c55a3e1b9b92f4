"""The story of a task instance: everything that is known of it, in the order of time. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from podlift.commands.explaining.cluster import Launch, Traces
from podlift.commands.explaining.logs import Line
from podlift.commands.explaining.records import Entry, Records, Try
from podlift.executor.facade import EVENT
from podlift.pods.labels import EXECUTOR
from podlift.pods.reading import ContainerStatus, Event, condition

AIRFLOW, PODLIFT, KUBERNETES, LOG = "airflow", "podlift", "kubernetes", "log"
"""Who says so."""

_KUBERNETES_LINE = "Kubernetes: "
_KNOWN_ANYWAY = frozenset({"running", "success", "failed"})
"""Entries of the event log that say the same as the task instance's own times."""
_EXECUTOR_SAID = "Extra info: "
_LAST = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Step:
    """One thing that happened."""

    at: datetime | None
    who: str
    what: str
    try_number: int | None = None


def steps_of(
    records: Records, traces: Traces, lines: Sequence[Line], tries: Sequence[Try]
) -> list[Step]:
    """What happened in these tries; what has no time comes last."""
    numbers = {each.number for each in tries}
    found = [step for each in tries for step in _of_try(each, records, traces)]
    found += [
        _of_entry(each)
        for each in records.entries
        if each.try_number in {None, *numbers} and each.event not in _KNOWN_ANYWAY
    ]
    launches = [each for each in traces.launches if each.try_number in numbers]
    queued = {each.number: each.queued for each in tries}
    found += [step for each in launches for step in _of_launch(each, queued[each.try_number])]
    told = {_words(event) for each in launches for event in each.events}
    found += [_of_line(each) for each in lines if not _is_told(each, told)]
    return sorted(_once(found), key=lambda step: step.at or _LAST)


def _of_try(each: Try, records: Records, traces: Traces) -> Iterator[Step]:
    def step(at: datetime | None, what: str) -> Iterator[Step]:
        if at is not None:
            yield Step(at, AIRFLOW, what, each.number)

    yield from step(each.scheduled, f"Try {each.number} was scheduled.")
    by = ""
    if each.job_id is not None:
        life = "alive" if each.job_id in records.live_jobs else "no longer alive"
        by = f" by scheduler job {each.job_id}, which is {life}"
    again = ", for the last time," if len(traces.of_try(each.number)) > 1 else ""
    yield from step(each.queued, f"Try {each.number} was queued{again}{by}.")
    where = f" on {each.hostname}" if each.hostname else ""
    yield from step(each.started, f"The worker said that it began the task{where}.")
    yield from step(each.ended, f"Try {each.number} ended: {each.state}.")


def _of_entry(entry: Entry) -> Step:
    if entry.event == EVENT:
        return Step(entry.at, PODLIFT, entry.text, entry.try_number)
    owner = f" by {entry.owner}" if entry.owner else ""
    # Airflow wraps what the executor said into a paragraph about what it may mean.
    words = entry.text.partition(_EXECUTOR_SAID)[2] or entry.text
    text = f": {words}" if words else ""
    return Step(entry.at, AIRFLOW, f"Event log: {entry.event}{owner}{text}", entry.try_number)


def _of_launch(launch: Launch, queued: datetime | None) -> Iterator[Step]:
    events = [
        Step(event.last_seen, KUBERNETES, f"{_about(event, launch)}{_words(event)}")
        for event in launch.events
    ]
    for step in (*_of_pod(launch), *events):
        yield replace(step, at=_not_before(queued, step.at), try_number=launch.try_number)


def _not_before(queued: datetime | None, at: datetime | None) -> datetime | None:
    """Kubernetes tells whole seconds; what came of the queueing in its second came after it."""
    if queued is not None and at is not None and at == queued.replace(microsecond=0):
        return queued
    return at


def _of_pod(launch: Launch) -> Iterator[Step]:
    def step(at: datetime | None, what: str) -> Iterator[Step]:
        if at is not None:
            yield Step(at, KUBERNETES, what)

    pod = launch.pod
    if pod is None:
        return
    owner = pod.metadata.annotations.get(EXECUTOR, "")
    by = f" by executor {owner}" if owner else ""
    created = f"Pod {launch.name} was created{by} (launch {launch.number} of the try)."
    yield from step(pod.metadata.creation_timestamp, created)
    told = {event.reason for event in launch.events}
    scheduled = condition(pod, "PodScheduled")
    if scheduled is not None and scheduled.status == "True" and "Scheduled" not in told:
        what = f"Pod {launch.name} was given to node {pod.spec.node_name}."
        yield from step(scheduled.last_transition_time, what)
    for status in (*pod.status.init_container_statuses, *pod.status.container_statuses):
        yield from _of_container(status, launch, "Started" in told)
    disrupted = condition(pod, "DisruptionTarget")
    if disrupted is not None and disrupted.status == "True":
        what = f"Pod {launch.name} is to go ({disrupted.reason}): {disrupted.message}"
        yield from step(disrupted.last_transition_time, what)
    if (end := pod.metadata.deletion_timestamp) is not None:
        asked = end - timedelta(seconds=pod.metadata.deletion_grace_period_seconds or 0)
        yield from step(asked, f"The deletion of pod {launch.name} was asked for.")


def _of_container(status: ContainerStatus, launch: Launch, is_told: bool) -> Iterator[Step]:
    name = f"Container {status.name!r} of pod {launch.name}"
    running, ended = status.state.running, status.state.terminated
    started = running.started_at if running else ended.started_at if ended else None
    if started is not None and started.year > 1970 and not is_told:
        yield Step(started, KUBERNETES, f"{name} started.")
    if ended is not None and ended.finished_at is not None:
        why = f" ({ended.reason})" if ended.reason not in ("", "Completed", "Error") else ""
        what = f"{name} ended with exit code {ended.exit_code}{why}."
        yield Step(ended.finished_at, KUBERNETES, what)


def _about(event: Event, launch: Launch) -> str:
    return f"Pod {launch.name}: " if launch.number > 1 else ""


def _words(event: Event) -> str:
    times = f" ({event.count} times)" if event.count and event.count > 1 else ""
    return f"{event.reason}: {event.message.strip()}{times}"


def _of_line(line: Line) -> Step:
    if not line.own:
        return Step(line.at, LOG, line.text, line.try_number)
    if line.text.startswith(_KUBERNETES_LINE):
        text = line.text.removeprefix(_KUBERNETES_LINE)
        return Step(line.at, KUBERNETES, text, line.try_number)
    return Step(line.at, PODLIFT, line.text, line.try_number)


def _is_told(line: Line, told: set[str]) -> bool:
    """The log holds the pod's events too, as they were when the log was kept."""
    return line.own and line.text.removeprefix(_KUBERNETES_LINE) in told


def _once(steps: Iterable[Step]) -> Iterator[Step]:
    """What Podlift wrote to the event log and to the log need not be read twice."""
    seen: set[tuple[str, str]] = set()
    for step in steps:
        words = step.what.removeprefix("Pod ").partition(": ")[2] or step.what
        key = step.who, words
        if step.who != PODLIFT or key not in seen:
            seen.add(key)
            yield step
