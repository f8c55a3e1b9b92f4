"""Why a pod fails or does not start, and what each cause means for a retry.

The values of ``Cause`` are a contract: they are shown to users, counted in metrics and written on
pods. The table says for each cause whose fault it is, whether waiting can help, and what to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Cause(StrEnum):
    """What went wrong with a pod."""

    FAILED = "failed"
    """The program itself ended with an exit code other than 0."""
    KILLED_BY_SIGNAL = "killed_by_signal"
    CRASH_LOOP = "crash_loop"
    """It fails again and again and is restarted, because of the pod's restart policy."""
    OUT_OF_MEMORY = "out_of_memory"
    OUT_OF_STORAGE = "out_of_storage"
    """Evicted because it wrote more than its own limit of local storage."""
    DEADLINE = "deadline"
    """It ran longer than ``activeDeadlineSeconds``."""
    INIT_FAILED = "init_failed"
    CANNOT_START = "cannot_start"
    """The container's process could not be started: a bad command, an unusable image."""
    START_FAILED = "start_failed"
    """The node could not start the container's process, for a reason of its own."""
    CREATE_FAILED = "create_failed"
    """The container runtime refuses to create the container, and is asked again."""
    INVALID_IMAGE_NAME = "invalid_image_name"
    IMAGE_PULL = "image_pull"
    CONFIGURATION = "configuration"
    """It refers to a Secret, ConfigMap or key that is not there."""
    VOLUME = "volume"
    UNSCHEDULABLE = "unschedulable"
    SANDBOX = "sandbox"
    """The node cannot set up the pod's network or cgroup."""
    REJECTED = "rejected"
    """The node refused the pod that the scheduler gave it (OutOfcpu, NodeAffinity …)."""
    EVICTED = "evicted"
    PREEMPTED = "preempted"
    NODE_LOST = "node_lost"
    NODE_SHUTDOWN = "node_shutdown"
    DELETED = "deleted"
    """Someone deleted the pod."""
    VANISHED = "vanished"
    """The API server no longer knows the pod, and its end was not seen."""
    UNREPORTED = "unreported"
    """The pod ended, and no exit code of its container was reported."""


class Stage(StrEnum):
    """When in a pod's life a cause can strike, seen from the main container's first process."""

    BEFORE_START = "before_start"
    AFTER_START = "after_start"
    EITHER = "either"


@dataclass(frozen=True)
class Policy:
    """What a cause means for what happens next."""

    meaning: str
    infrastructure: bool
    """The cluster's fault: the same pod may well succeed elsewhere, so the try should not count."""
    heals: bool
    """A pod that is still pending for this cause may yet start without anyone changing the pod."""
    stage: Stage
    remedy: str


_BEFORE, _AFTER, _EITHER = Stage.BEFORE_START, Stage.AFTER_START, Stage.EITHER

POLICIES: Mapping[Cause, Policy] = {
    Cause.FAILED: Policy(
        "The program ended with an exit code other than 0.",
        False,
        False,
        _AFTER,
        "Read the end of the container's log: the program itself reported this failure.",
    ),
    Cause.KILLED_BY_SIGNAL: Policy(
        "A signal ended the program; it is named.",
        False,
        False,
        _AFTER,
        "Look for what sent the signal: the program itself, a parent process or someone's exec.",
    ),
    Cause.CRASH_LOOP: Policy(
        "The container fails and is restarted again and again.",
        False,
        False,
        _AFTER,
        "Read the container's previous log, or set restartPolicy to Never and let Airflow retry.",
    ),
    Cause.OUT_OF_MEMORY: Policy(
        "The container used more memory than its limit, or its node ran out.",
        False,
        False,
        _AFTER,
        "Raise resources.limits.memory of the container, or let the program use less memory.",
    ),
    Cause.OUT_OF_STORAGE: Policy(
        "The pod wrote more to local storage than its limit.",
        False,
        False,
        _AFTER,
        "Raise the limit (resources.limits.ephemeral-storage or the emptyDir's sizeLimit), "
        "or write to a volume.",
    ),
    Cause.DEADLINE: Policy(
        "The pod ran longer than `activeDeadlineSeconds`.",
        False,
        False,
        _EITHER,
        "Raise activeDeadlineSeconds, or find out why the program took so long.",
    ),
    Cause.INIT_FAILED: Policy(
        "An init container failed; the main one never started.",
        False,
        False,
        _BEFORE,
        "Read the init container's log; the main container never started.",
    ),
    Cause.CANNOT_START: Policy(
        "The command could not be started.",
        False,
        False,
        _BEFORE,
        "Check the container's command and working directory against what the image holds.",
    ),
    Cause.START_FAILED: Policy(
        "The node could not start the container, for a reason of its own.",
        True,
        False,
        _BEFORE,
        "Try again; if it lasts, look at the node's container runtime.",
    ),
    Cause.CREATE_FAILED: Policy(
        "The container runtime refuses to create the container.",
        False,
        True,
        _BEFORE,
        "Check the container's command, mounts and security context; "
        "an image without an entrypoint needs a command.",
    ),
    Cause.INVALID_IMAGE_NAME: Policy(
        "The image's name is not one.",
        False,
        False,
        _BEFORE,
        "Correct the image: [registry/]repository[:tag], the repository in lower case.",
    ),
    Cause.IMAGE_PULL: Policy(
        "The image cannot be pulled, or is not on the node.",
        False,
        True,
        _BEFORE,
        "Check the image's name and tag, that the node can reach the registry, "
        "and imagePullSecrets.",
    ),
    Cause.CONFIGURATION: Policy(
        "A Secret, ConfigMap or key is missing.",
        False,
        True,
        _BEFORE,
        "Create the missing object or key in the pod's namespace, or mark the reference optional.",
    ),
    Cause.VOLUME: Policy(
        "A volume is missing or cannot be attached.",
        False,
        True,
        _BEFORE,
        "Check that the volume's claim, ConfigMap or Secret exists in the pod's namespace, "
        "and that the node can attach it.",
    ),
    Cause.UNSCHEDULABLE: Policy(
        "No node takes the pod.",
        False,
        True,
        _BEFORE,
        "Lower the requests, relax nodeSelector, affinity or tolerations, or add a node.",
    ),
    Cause.SANDBOX: Policy(
        "The node cannot set up the pod's network.",
        True,
        True,
        _BEFORE,
        "Look at the node: its container runtime, its network plugin, its free addresses.",
    ),
    Cause.REJECTED: Policy(
        "The node refused the pod that the scheduler gave it.",
        True,
        False,
        _BEFORE,
        "Try again; if it lasts, compare the pod's requests and nodeName with what the node has.",
    ),
    Cause.EVICTED: Policy(
        "The pod was evicted from its node.",
        True,
        False,
        _EITHER,
        "Try again; requests nearer to what the task uses make an eviction less likely.",
    ),
    Cause.PREEMPTED: Policy(
        "The pod gave way to one of higher priority.",
        True,
        False,
        _EITHER,
        "Try again; give the pod a higher priorityClassName if this work must not give way.",
    ),
    Cause.NODE_LOST: Policy(
        "The pod's node went away.",
        True,
        False,
        _EITHER,
        "Try again; look at why the node went away.",
    ),
    Cause.NODE_SHUTDOWN: Policy(
        "The pod's node was shut down.",
        True,
        False,
        _EITHER,
        "Try again; the node was being shut down.",
    ),
    Cause.DELETED: Policy(
        "Someone deleted the pod.",
        False,
        False,
        _EITHER,
        "Find who deleted it: the API server's audit log knows. Stop a task in Airflow's UI.",
    ),
    Cause.VANISHED: Policy(
        "The pod is gone, and nobody saw its end.",
        True,
        False,
        _EITHER,
        "Find what removed it: a clean-up job, pod garbage collection, or someone's hand.",
    ),
    Cause.UNREPORTED: Policy(
        "The pod ended without an exit code of its container.",
        True,
        False,
        _EITHER,
        "Try again; look at whether the node or its kubelet was restarted meanwhile.",
    ),
}


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong with a pod, in words and as data."""

    cause: Cause
    sentence: str
    """What happened, with the facts: container, exit code, limit, the kubelet's own words."""
    remedy: str
    """What to do about it."""
    container: str | None = None
    exit_code: int | None = None
    infrastructure: bool = False
    """Whether it is the cluster's fault, so that another launch need not cost the task a try."""

    @classmethod
    def of(
        cls, cause: Cause, sentence: str, container: str | None = None, exit_code: int | None = None
    ) -> Diagnosis:
        """A diagnosis with the remedy and the judgement that the table has for its cause."""
        policy = POLICIES[cause]
        return cls(cause, sentence, policy.remedy, container, exit_code, policy.infrastructure)

    @property
    def can_heal(self) -> bool:
        """Whether a pod that is still pending for this cause may yet start by itself."""
        return POLICIES[self.cause].heals

    def __str__(self) -> str:
        return f"{self.sentence} {self.remedy}"
