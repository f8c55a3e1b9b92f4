"""How a pod ended, as plain data."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from podlift.pods.diagnosis import Cause, Diagnosis, diagnose, has_succeeded
from podlift.pods.memory import memory_of
from podlift.pods.reading import Event, Pod, exit_code, is_finished, pending_reason


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The end of one pod. Success is an observed exit code 0 of its base container."""

    name: str
    namespace: str
    uid: str
    diagnosis: Diagnosis | None = None
    """What went wrong; None for success."""
    sentence: str = ""
    """The same in words, with what to do about it; empty for success."""
    started: bool = True
    """False where the base container did not start in the time it was given."""
    ended: bool = True
    """Whether the end of the base container, or of the whole pod, was observed."""
    exit_code: int | None = None
    """The base container's; None if none was observed."""
    result: str | None = None
    """What the pod handed over, JSON text."""
    memory: int | None = None
    """Bytes that the base container was allowed; None without a limit."""

    @property
    def succeeded(self) -> bool:
        return not self.sentence


def outcome_of(pod: Pod, events: Sequence[Event], base: str, *, gone: bool) -> Outcome:
    """Judge a pod by the last that was seen of it. Pure."""
    if has_succeeded(pod, base):
        return _outcome(pod, base)
    found = diagnose(pod, events, main=base, gone=gone)
    if found is None:  # it was deleted, and nothing confirmed its end
        found = Diagnosis.of(Cause.VANISHED, "The pod's end could not be observed.")
    # The pod's phase comes after its containers' ends.
    ended = gone or is_finished(pod) or exit_code(pod, base) is not None
    return _outcome(pod, base, found, str(found), ended=ended)


def not_started(pod: Pod, events: Sequence[Event], base: str, timeout: float) -> Outcome:
    """The outcome of a pod whose base container did not start within ``timeout`` seconds. Pure."""
    found = diagnose(pod, events, main=base)
    waits = pending_reason(pod, events) or f"container {base!r} has not started"
    why = str(found) if found else f"It was still pending: {waits}."
    sentence = f"did not start within {timeout:g} seconds. {why}"
    return _outcome(pod, base, found, sentence, started=False, ended=False)


def _outcome(
    pod: Pod,
    base: str,
    diagnosis: Diagnosis | None = None,
    sentence: str = "",
    *,
    started: bool = True,
    ended: bool = True,
) -> Outcome:
    return Outcome(
        name=pod.metadata.name,
        namespace=pod.metadata.namespace,
        uid=pod.metadata.uid,
        diagnosis=diagnosis,
        sentence=sentence,
        started=started,
        ended=ended,
        exit_code=exit_code(pod, base),
        memory=memory_of(pod, base),
    )
