"""Logs outlive pods: before a pod is deleted its log is kept where Airflow's UI reads it.

Airflow shows all files that begin with the log's name, put in order by time. So what is kept goes
into a file of its own beside the worker's, ``<log>.<pod>.<execution>.log``: nothing that the worker
or another scheduler wrote is touched, and keeping twice does no harm.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from podlift.executor.execution import Execution
from podlift.executor.log_lines import cause_lines
from podlift.executor.state import Verdict
from podlift.kube.client import Client
from podlift.kube.errors import BadRequest, KubeError, NotFound
from podlift.kube.resources import EVENTS
from podlift.pods.building import BASE
from podlift.pods.causes import Cause
from podlift.pods.diagnosis import diagnose
from podlift.pods.reading import Event, Pod, exit_code, has_started

_WORKERS_OWN_FAILURE = 1
"""The worker's exit code for a failed task: the task's log already says why."""


@dataclass(frozen=True)
class LogFolder:
    """Airflow's ``[logging] base_log_folder`` and the permissions it wants there."""

    base: Path
    folder_mode: int = 0o775
    file_mode: int = 0o664

    def path(self, log_path: str) -> Path | None:
        """The file for a relative log path; None for one that leads out of the folder."""
        path = Path(os.path.realpath(self.base / log_path))
        return path if path.is_relative_to(os.path.realpath(self.base)) else None


class Keeper:
    """Brings logs to safety. The disk is touched in threads, never on the engine's loop."""

    def __init__(self, client: Client, folder: LogFolder) -> None:
        self._client = client
        self._folder = folder

    async def keep(self, execution: Execution, verdict: Verdict) -> str:
        """Keep the log of the execution's pod; returns the verdict's sentence, made more precise.

        Raises ``KubeError`` or ``OSError`` when the log cannot be read or written now.
        """
        pod = execution.pod
        events: Sequence[Event] = ()
        sentence = verdict.sentence
        if pod is not None and not verdict.success:
            events = await self._events(pod)
            sentence = _sentence(pod, events, sentence)
        file = self._folder.path(execution.log_path) if execution.log_path else None
        if file is None:
            return sentence
        text = b""
        if pod is not None and not await asyncio.to_thread(file.exists):
            text = await self._log(pod)
        if not verdict.success and not _speaks_for_itself(pod):
            text = _ending_with_newline(text)
            text += cause_lines(execution.pod_name, sentence, events)
        if text:
            # A task that was deferred may run again in a pod of the same name.
            name = f"{execution.pod_name or 'pod'}.{execution.id[:8]}"
            target = file.with_name(f"{file.name}.{name}.log")
            await asyncio.to_thread(_write, target, text, self._folder)
        return sentence

    async def _events(self, pod: Pod) -> Sequence[Event]:
        try:
            listing = await self._client.list(
                EVENTS,
                pod.metadata.namespace,
                field_selector=f"involvedObject.uid={pod.metadata.uid}",
                type=Event,
            )
        except KubeError as error:
            if error.transient:
                raise
            return ()  # events help, but a role without the right to list them is no obstacle
        return listing.items

    async def _log(self, pod: Pod) -> bytes:
        if not has_started(pod, BASE):
            return b""
        try:
            return await self._client.read_log(pod.metadata.name, pod.metadata.namespace, BASE)
        except (NotFound, BadRequest):  # the pod is gone, or its node is
            return b""


def _sentence(pod: Pod, events: Sequence[Event], known: str) -> str:
    """Events know more than the pod's status: which volume, which image."""
    diagnosis = diagnose(pod, events, main=BASE)
    return str(diagnosis) if diagnosis else known


def _speaks_for_itself(pod: Pod | None) -> bool:
    if pod is None or exit_code(pod, BASE) != _WORKERS_OWN_FAILURE:
        return False
    # The worker outlives a task's process that used too much memory, but knows no more of it
    # than the signal; the node knows why.
    diagnosis = diagnose(pod, main=BASE)
    return diagnosis is None or diagnosis.cause is Cause.FAILED


def _ending_with_newline(text: bytes) -> bytes:
    return text + b"\n" if text and not text.endswith(b"\n") else text


def _write(file: Path, text: bytes, folder: LogFolder) -> None:
    """Write the whole file at once, so that nobody ever reads half of it."""
    missing = [each for each in (file.parent, *file.parent.parents) if not each.exists()]
    for parent in reversed(missing):
        parent.mkdir(mode=folder.folder_mode, exist_ok=True)
    draft = file.with_name(f".{file.name}.part")
    draft.write_bytes(text)
    draft.chmod(folder.file_mode)
    draft.replace(file)
