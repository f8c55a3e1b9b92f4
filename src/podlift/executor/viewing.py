"""A pod as the server reports it, reduced to what the state machine looks at. Pure."""

from __future__ import annotations

from podlift.executor.state import PodSeen
from podlift.pods.building import BASE
from podlift.pods.diagnosis import Cause, Diagnosis, diagnose
from podlift.pods.reading import Pod, exit_code, has_started, is_finished

_NOT_THE_TASKS = frozenset({Cause.DELETED})
"""Causes that are nobody's fault but not the task's either: before the task began, another pod is
started for them too."""

_WAIT_FOR_THE_CLUSTER = frozenset({Cause.UNSCHEDULABLE, Cause.SANDBOX})
"""Causes for which a pod may pend as long as Airflow lets it: nobody has to repair the pod."""


def see(pod: Pod, now: float) -> PodSeen:
    """The observation that this pod makes at ``now``."""
    diagnosis = diagnose(pod, main=BASE)
    code = exit_code(pod, BASE)
    problem = str(diagnosis) if diagnosis else ""
    if code and not problem:  # a sidecar may keep the pod from its end, which would say more
        problem = f"Container {BASE!r} ended with exit code {code}."
    return PodSeen(
        uid=pod.metadata.uid,
        now=now,
        started=has_started(pod, BASE),
        exit_code=code,
        finished=is_finished(pod),
        problem=problem,
        infrastructure=_infrastructure(diagnosis),
        stuck=diagnosis is not None and diagnosis.cause not in _WAIT_FOR_THE_CLUSTER,
        hopeless=diagnosis is not None and not diagnosis.can_heal,
    )


def _infrastructure(diagnosis: Diagnosis | None) -> bool:
    return diagnosis is not None and (diagnosis.infrastructure or diagnosis.cause in _NOT_THE_TASKS)
