"""Containers that ended by themselves, and what their exit tells."""

from __future__ import annotations

from podlift.pods.causes import Cause, Diagnosis
from podlift.pods.reading import ContainerStatus, Pod, Terminated, container_status, is_finished
from podlift.pods.wording import kill_signal, quote, tidy


def init_container_end(pod: Pod) -> Diagnosis | None:
    if pod.spec.restart_policy != "Never" and not is_finished(pod):
        return None  # the kubelet runs it again
    sidecars = {c.name for c in pod.spec.init_containers if c.restart_policy == "Always"}
    for status in pod.status.init_container_statuses:
        ended = status.state.terminated
        if ended is None or ended.exit_code == 0 or status.name in sidecars:
            continue
        found = _judge_end(pod, status.name, ended)
        if found.cause not in (Cause.FAILED, Cause.KILLED_BY_SIGNAL):
            return found
        return Diagnosis.of(
            Cause.INIT_FAILED, f"Init {_lower(found.sentence)}", status.name, ended.exit_code
        )
    return None


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]


def main_container_end(pod: Pod, main: str) -> Diagnosis | None:
    status = container_status(pod, main)
    if status is None:
        return None
    if pod.spec.restart_policy != "Never" and not is_finished(pod):
        return _crash_loop(status)
    ended = status.state.terminated
    return _judge_end(pod, main, ended) if ended else None


def _crash_loop(status: ContainerStatus) -> Diagnosis | None:
    waiting, last = status.state.waiting, status.last_state.terminated
    if waiting is None or waiting.reason != "CrashLoopBackOff":
        return None
    code = last.exit_code if last else None
    ending = f" The last exit code was {code}." if last else ""
    sentence = f"Container {status.name!r} keeps failing; {status.restart_count} restarts so far."
    return Diagnosis.of(Cause.CRASH_LOOP, sentence + ending, status.name, code)


def _judge_end(pod: Pod, name: str, ended: Terminated) -> Diagnosis:
    code = ended.exit_code
    if ended.reason == "OOMKilled":
        return Diagnosis.of(Cause.OUT_OF_MEMORY, _out_of_memory(pod, name), name, code)
    if ended.reason in ("StartError", "ContainerCannotRun"):
        sentence = f"Container {name!r} could not be started{quote(ended.message)}."
        return Diagnosis.of(_start_failure(ended.message), sentence, name, code)
    if ended.reason == "ContainerStatusUnknown":
        sentence = f"The node lost track of container {name!r}{quote(ended.message)}."
        return Diagnosis.of(Cause.UNREPORTED, sentence, name)
    signal = kill_signal(code, ended.signal)
    if signal:
        sentence = f"Container {name!r} was killed by {signal} (exit code {code})."
        return Diagnosis.of(Cause.KILLED_BY_SIGNAL, sentence + _said(ended), name, code)
    return Diagnosis.of(Cause.FAILED, _failed(name, code) + _said(ended), name, code)


_WRITTEN_WRONG = (
    "executable file not found",
    "no such file or directory",
    "not a directory",
    "is a directory",
    "permission denied",
    "exec format error",
    "argument list too long",
    "no such user",
    "unable to find user",
)
"""What the runtime says of a command, a working directory or a mount that no node can start."""


def _start_failure(message: str) -> Cause:
    words = message.lower()
    wrong = not words or any(text in words for text in _WRITTEN_WRONG)
    return Cause.CANNOT_START if wrong else Cause.START_FAILED


def _out_of_memory(pod: Pod, name: str) -> str:
    containers = (*(pod.spec.containers or ()), *pod.spec.init_containers)
    limits = [c.resources.limits.get("memory") for c in containers if c.name == name]
    if limits and limits[0] is not None:
        return f"Container {name!r} used more memory than its limit of {limits[0]} and was killed."
    return f"Container {name!r} was killed because its node ran out of memory; it has no limit."


_SHELL_CODES = {126: "the command cannot be executed", 127: "the command was not found"}


def _failed(name: str, code: int) -> str:
    meaning = f" (to a shell: {_SHELL_CODES[code]})" if code in _SHELL_CODES else ""
    return f"Container {name!r} ended with exit code {code}{meaning}."


def _said(ended: Terminated) -> str:
    return f" Its last words: {tidy(ended.message)}" if ended.message.strip() else ""
