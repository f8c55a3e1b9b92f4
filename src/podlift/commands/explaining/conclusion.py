"""What became of a try, why, and what to do about it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from podlift.commands.explaining.cluster import Launch, Traces
from podlift.commands.explaining.logs import Line
from podlift.commands.explaining.records import Records, Try
from podlift.executor.facade import EVENT
from podlift.pods.building import BASE
from podlift.pods.causes import POLICIES, Cause
from podlift.pods.diagnosis import diagnose
from podlift.pods.reading import Pod, is_finished, pending_reason

_READ_THE_LOG = "Read the task's log: what went wrong in it is told there."
_WAITING = frozenset({"queued", "restarting"})


@dataclass(frozen=True)
class Conclusion:
    """The end of the story."""

    sentence: str
    remedy: str = ""
    cause: str | None = None
    """A value of ``Cause``, where there is one."""
    known_from: str = "Airflow's database"


def conclude(each: Try, records: Records, traces: Traces, lines: Sequence[Line]) -> Conclusion:
    """Why this try is in its state: what a pod shows, else what was written down when it went."""
    if each.state == "success":
        return Conclusion(f"Try {each.number} succeeded.")
    launches = traces.of_try(each.number)
    lines = [line for line in lines if line.try_number == each.number]
    return (
        _from_pod(each, launches, lines)
        or _from_log(lines)
        or _from_event_log(each, records)
        or _from_events(each, launches)
        or _from_state(each, records, traces)
    )


def known_cause(text: str) -> tuple[str, str, Cause | None]:
    """Take a text apart that ends with the remedy for a cause: sentence, remedy and cause."""
    fitting = [cause for cause, policy in POLICIES.items() if policy.remedy in text]
    if not fitting:
        return text, "", None
    cause = max(fitting, key=lambda each: len(POLICIES[each].remedy))
    remedy = POLICIES[cause].remedy
    before, _, after = text.partition(remedy)
    return " ".join(f"{before.strip()} {after.strip()}".split()), remedy, cause


def _from_pod(each: Try, launches: Sequence[Launch], lines: Sequence[Line]) -> Conclusion | None:
    present = [launch for launch in launches if launch.pod is not None]
    if not present:
        return None
    launch = present[-1]
    pod = launch.pod
    assert pod is not None
    where = f"pod {launch.name}"
    diagnosis = diagnose(pod, launch.events, main=BASE)
    if diagnosis is not None and diagnosis.cause is Cause.FAILED and diagnosis.exit_code == 1:
        return _from_task(lines) or Conclusion(
            "The task itself failed.", _READ_THE_LOG, diagnosis.cause, where
        )
    if diagnosis is not None:
        return Conclusion(diagnosis.sentence, diagnosis.remedy, diagnosis.cause, where)
    return _of_healthy(each, launch, pod)


def _of_healthy(each: Try, launch: Launch, pod: Pod) -> Conclusion | None:
    where = f"pod {launch.name}"
    if reason := pending_reason(pod, launch.events):
        return Conclusion(f"Pod {launch.name} is pending: {reason}.", known_from=where)
    if not is_finished(pod) and each.state in ("queued", "running"):
        node = f" on node {pod.spec.node_name}" if pod.spec.node_name else ""
        return Conclusion(f"Pod {launch.name} is running{node}.", known_from=where)
    return None


def _from_log(lines: Sequence[Line]) -> Conclusion | None:
    """The last word: what Podlift wrote when the pod had ended, or the task's own last error."""
    errors = [line for line in lines if not line.own or line.level == "error"]
    if not errors:
        return None
    last = max(errors, key=lambda line: (line.at is not None, line.at))
    return _written(last.text, "the task's log") if last.own else _from_task(lines)


def _from_event_log(each: Try, records: Records) -> Conclusion | None:
    said = [
        entry for entry in records.entries if entry.event == EVENT and _is_of(entry, each.number)
    ]
    return _written(said[-1].text, "the task's event log") if said else None


def _is_of(entry: object, number: int) -> bool:
    return getattr(entry, "try_number", None) in (None, number)


def _written(text: str, where: str) -> Conclusion:
    sentence, remedy, cause = known_cause(text)
    return Conclusion(sentence, remedy, cause, where)


def _from_events(each: Try, launches: Sequence[Launch]) -> Conclusion | None:
    """The pod is gone, and so is its log: Kubernetes keeps events a little longer."""
    warnings = [event for launch in launches for event in launch.events if event.type == "Warning"]
    if not warnings or each.state in ("running", "success"):
        return None
    last = max(warnings, key=lambda event: event.last_seen)
    return Conclusion(
        f"The pod is gone; the last warning about it was {last.reason}: {last.message.strip()}",
        known_from="Kubernetes' events",
    )


def _from_task(lines: Sequence[Line]) -> Conclusion | None:
    errors = [line for line in lines if not line.own]
    if not errors:
        return None
    text = errors[-1].text.splitlines()[0]
    return Conclusion(
        f"The task itself failed: {text}", _READ_THE_LOG, Cause.FAILED, "the task's log"
    )


def _from_state(each: Try, records: Records, traces: Traces) -> Conclusion:
    if each.state in _WAITING:
        return _of_queued(each, records, traces)
    known = _STATES.get(each.state)
    if known is not None:
        return Conclusion(known[0], known[1])
    return Conclusion(f"Airflow says that try {each.number} is {each.state}.")


def _of_queued(each: Try, records: Records, traces: Traces) -> Conclusion:
    if traces.problem:
        return Conclusion(
            "It is queued, and the cluster cannot be asked about its pod.",
            "Run `airflow podlift doctor`.",
        )
    if each.job_id is not None and each.job_id not in records.live_jobs:
        return Conclusion(
            f"It is queued by scheduler job {each.job_id}, which is no longer alive.",
            "Start a scheduler: it takes over what another one left behind.",
        )
    return Conclusion(
        "It is queued, and its pod is not created yet.",
        "If it stays so, look at the scheduler's log and run `airflow podlift doctor`.",
    )


_STATES: dict[str | None, tuple[str, str]] = {
    None: (
        "Airflow has not scheduled it yet: it waits for what comes before it.",
        "`airflow tasks failed-deps` tells what is missing.",
    ),
    "scheduled": (
        "It is scheduled, and waits for its turn to be queued.",
        "Look at the pool's slots, the limits of parallelism and whether a scheduler runs.",
    ),
    "running": (
        "Airflow says that it is running, but its pod is not there.",
        "Its scheduler notices that; if it does not, look at the scheduler's log.",
    ),
    "failed": (
        "It failed, and nothing is left that says why.",
        "Read the task's log, if it is still there.",
    ),
    "up_for_retry": (
        "The try failed, nothing is left that says why, and Airflow will try again.",
        "Read the task's log, if it is still there.",
    ),
    "deferred": ("It is deferred: its trigger waits for something, and it needs no pod.", ""),
    "up_for_reschedule": ("It waits for its next look at what it waits for, without a pod.", ""),
    "skipped": ("It was skipped, so it needs no pod.", ""),
    "upstream_failed": (
        "It did not run, because a task before it failed.",
        "Explain that task instead.",
    ),
    "removed": ("Its task is no longer in the DAG.", ""),
}
