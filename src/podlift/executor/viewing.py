"""A pod as the server reports it, reduced to what the state machine looks at. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from podlift.executor.observations import PodSeen
from podlift.executor.state import Trouble
from podlift.exit_codes import ExitCode
from podlift.pods.building import BASE
from podlift.pods.diagnosis import Cause, Diagnosis, diagnose
from podlift.pods.memory import memory_of
from podlift.pods.reading import Event, Pod, exit_code, has_started, is_finished

_TAKEN_AWAY = frozenset({Cause.DELETED})
"""Not the infrastructure's fault, but not the task's either: another pod is started. Whoever wants
to stop a task does so in Airflow, which then asks for no other."""

_WAIT_FOR_THE_CLUSTER = frozenset({Cause.UNSCHEDULABLE})
"""Causes for which a pod may pend as long as Airflow lets it: nobody has to repair anything."""

_WORKER_NEVER_BEGAN = frozenset({ExitCode.UNREACHABLE, ExitCode.REFUSED, ExitCode.WRONG_KEY})
"""Codes with which the worker says that it could not begin the task, and another one may.

A pod whose creation was never answered may begin the task, be taken away and leave nothing behind;
the creation is repeated, and Airflow refuses its pod, because it counts the task as running. As
nothing of it runs, Airflow's database decides whether another pod may.
"""

_OUT_OF_MEMORY = "A process of the task was killed because container 'base' was out of memory."


def see(pod: Pod, now: float, events: Sequence[Event] = (), fatal: Collection[str] = ()) -> PodSeen:
    """The observation that this pod makes at ``now``; its ``events`` as far as they are known.

    A container that waits for one of the ``fatal`` reasons is not waited for.
    """
    diagnosis = diagnose(pod, events, main=BASE)
    code = exit_code(pod, BASE)
    started, finished = has_started(pod, BASE), is_finished(pod)
    return PodSeen(
        uid=pod.metadata.uid,
        now=now,
        started=started,
        exit_code=code,
        finished=finished,
        trouble=_trouble(pod, diagnosis, code, not started and _waits_for(pod, fatal)),
        preparing=_preparing(pod) and not started and not finished,
    )


def _trouble(
    pod: Pod, diagnosis: Diagnosis | None, code: int | None, fatal: bool
) -> Trouble | None:
    if diagnosis is None:
        if not code:
            return None
        # A sidecar may keep the pod from its end, which would say more.
        return Trouble(Cause.FAILED, f"Container {BASE!r} ended with exit code {code}.")
    if diagnosis.cause is Cause.FAILED and code == ExitCode.OUT_OF_MEMORY:
        diagnosis = Diagnosis.of(Cause.OUT_OF_MEMORY, _OUT_OF_MEMORY, BASE, code)
    cause = diagnosis.cause
    never_began = cause is Cause.FAILED and code in _WORKER_NEVER_BEGAN
    infrastructure = diagnosis.infrastructure or cause in _TAKEN_AWAY or never_began
    infrastructure = infrastructure and not fatal
    return Trouble(
        cause=cause,
        sentence=str(diagnosis),
        infrastructure=infrastructure,
        stuck=diagnosis.can_heal and cause not in _WAIT_FOR_THE_CLUSTER,
        hopeless=fatal or not diagnosis.can_heal,
        memory=memory_of(pod, BASE) if cause is Cause.OUT_OF_MEMORY else None,
    )


def _waits_for(pod: Pod, reasons: Collection[str]) -> bool:
    statuses = (*pod.status.init_container_statuses, *pod.status.container_statuses)
    return any(each.state.waiting and each.state.waiting.reason in reasons for each in statuses)


def _preparing(pod: Pod) -> bool:
    """Whether a node has the pod and does not say in its status what it is waiting for."""
    statuses = (*pod.status.init_container_statuses, *pod.status.container_statuses)
    if any(status.state.running for status in statuses):
        return False
    waiting = [status.state.waiting.reason for status in statuses if status.state.waiting]
    return bool(pod.spec.node_name) and set(waiting) <= {"", "ContainerCreating", "PodInitializing"}
