"""Logs outlive pods: before a pod is deleted its log is kept, with the cause if it failed.

Which files that makes is in ``archive``; where remote logging is configured, ``remote_logging``
brings them there.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from podlift.executor import metrics
from podlift.executor.archive import KEPT_LOG_LIMIT, Draft, LogFolder, add_to_index, kept_file
from podlift.executor.copying import PATIENCE, Copied, Copier, Patience
from podlift.executor.events import events_of
from podlift.executor.execution import Execution
from podlift.executor.log_lines import cause_lines, log_line, undated_line
from podlift.executor.remote_logging import RemoteLogging, There
from podlift.executor.salvaging import Salvage
from podlift.executor.state import Verdict
from podlift.kube.client import Client
from podlift.pods.building import BASE
from podlift.pods.causes import Cause
from podlift.pods.diagnosis import diagnose
from podlift.pods.reading import Event, Pod, exit_code

logger = logging.getLogger(__name__)

T = TypeVar("T")

_WORKERS_OWN_FAILURE = 1
"""The worker's exit code for a failed task: the task's log already says why."""
_BROUGHT_BY_THE_WORKER = frozenset({0, _WORKERS_OWN_FAILURE})
"""Exit codes after which the worker has brought its log to where remote logging keeps it."""
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Kept:
    """What came of keeping a log."""

    sentence: str
    """The verdict's, made more precise by what events know."""
    problem: str = ""
    """Why the log is not there, or not whole; for a person to read."""


@dataclass(frozen=True)
class _Subject:
    """What is kept, as it was when that was asked: an execution may go on to its next pod."""

    pod: Pod | None
    pod_name: str
    execution_id: str
    ti_id: str
    log_path: str
    success: bool
    sentence: str
    relaunched: bool
    events: Sequence[Event] = ()

    @property
    def needs_a_cause(self) -> bool:
        return not self.success and not _speaks_for_itself(self.pod)

    @property
    def mark(self) -> str:
        """What no other pod's kept log has in it."""
        return self.pod.metadata.uid if self.pod else self.execution_id


class Keeper:
    """Brings logs to safety: a few at a time, in bounded time, and without ever failing.

    The disk and remote logging are used in threads of their own: one that hangs, as a network's
    file system may, holds up nothing but the logs.
    """

    def __init__(
        self,
        client: Client,
        folder: LogFolder,
        limit: int = KEPT_LOG_LIMIT,
        remote: RemoteLogging | None = None,
        patience: Patience = PATIENCE,
    ) -> None:
        self._client = client
        self._folder = folder
        self._limit = limit
        self._remote = remote
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._threads = ThreadPoolExecutor(_AT_ONCE, "podlift-keeping")
        self._copier = Copier(client, self._in_thread, patience)
        self._salvages: dict[str, Salvage] = {}
        self._following: set[asyncio.Task[None]] = set()

    def follow(self, execution: Execution) -> None:
        """Somebody is deleting the execution's pod: begin to keep its log now, while it is there.

        ``keep`` then finds it; where nothing is to be kept in the end, ``forget`` is to be called.
        Calling it again for the same pod does nothing.
        """
        pod, log_path = execution.pod, execution.log_path
        file = self._folder.place(log_path) if log_path else None
        if pod is None or file is None or pod.metadata.uid in self._salvages:
            return
        target = kept_file(file, execution.pod_name, execution.id)
        draft = Draft(target, self._folder, self._limit)
        here = partial(self._folder.has, file)
        salvage = Salvage(self._copier, self._in_thread, pod, draft, here)
        self._salvages[pod.metadata.uid] = salvage
        self._spawn(salvage.run())

    def forget(self, execution: Execution) -> None:
        """Nothing will be kept of the execution's pod any more."""
        uid = execution.pod.metadata.uid if execution.pod else ""
        if (salvage := self._salvages.pop(uid, None)) is not None:
            self._spawn(salvage.discard())

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._following.add(task)
        task.add_done_callback(self._following.discard)

    async def keep(
        self, execution: Execution, verdict: Verdict, *, relaunched: bool = False
    ) -> Kept:
        """Keep the log of the execution's present pod.

        ``relaunched`` says that another pod takes over from it. Whatever the cluster or the disk
        does is said in the answer; nothing is raised for it.
        """
        subject = _Subject(
            pod=execution.pod,
            pod_name=execution.pod_name,
            execution_id=execution.id,
            ti_id=execution.ti_id,
            log_path=execution.log_path or "",
            success=verdict.success,
            sentence=verdict.sentence,
            relaunched=relaunched,
        )
        async with self._slots:
            if subject.pod is not None and not subject.success:
                subject = await self._explained(subject, subject.pod)
            file = self._folder.place(subject.log_path) if subject.log_path else None
            problem = await self._keep(subject, file) if file else ""
        if problem:
            logger.warning("Pod %s: %s", subject.pod_name, problem)
            metrics.log_lost()
        else:
            metrics.log_kept()
        return Kept(subject.sentence, problem)

    async def _explained(self, subject: _Subject, pod: Pod) -> _Subject:
        """Events know more than the pod's status: which volume, which image."""
        events = await events_of(self._client, pod)
        sentence = _more_precise(subject.sentence, pod, events)
        return replace(subject, events=events, sentence=sentence)

    async def _keep(self, subject: _Subject, file: Path) -> str:
        salvage = self._salvages.pop(subject.pod.metadata.uid, None) if subject.pod else None
        target = kept_file(file, subject.pod_name, subject.execution_id)
        draft = salvage.draft if salvage else Draft(target, self._folder, self._limit)
        try:
            return await self._write(subject, file, draft, salvage)
        except OSError as error:
            await self._in_thread(draft.abandon)
            return f"The log could not be kept in {file.parent}: {error.strerror or error}."
        except asyncio.CancelledError:
            draft.abandon()  # small files; there is nobody left to wait for a thread
            raise

    async def _write(
        self, subject: _Subject, file: Path, draft: Draft, salvage: Salvage | None
    ) -> str:
        """Returns what is missing. Raises ``OSError``."""
        here = await self._in_thread(self._folder.has, file)
        remote = None if here else await self._active_remote()
        brought = here or (remote is not None and _code(subject.pod) in _BROUGHT_BY_THE_WORKER)
        if brought and not subject.needs_a_cause and not subject.relaunched:
            if salvage:
                await salvage.discard()
            return ""
        copied = await salvage.take() if salvage else Copied()
        if subject.pod is not None and not copied.sample:
            copied = await self._copier.copy(
                subject.pod, draft, base=not brought, others=not subject.success
            )
        ending = _ending(subject, copied.gap)
        if not ending and not copied.sample:
            return copied.gap
        if remote is not None:
            there = await self._in_thread(
                remote.look, subject.log_path, subject.ti_id, subject.mark, copied.sample
            )
            if there is There.ALL:
                await self._in_thread(draft.abandon)
                return ""
            if there is There.LOG:
                await self._in_thread(draft.abandon)
                copied = Copied()
        await self._in_thread(self._finish, draft, copied.rest, ending, file)
        if remote is not None:
            problem = await self._in_thread(
                remote.bring, subject.log_path, subject.ti_id, subject.mark, draft.target
            )
            return problem or copied.gap
        return copied.gap

    def _finish(self, draft: Draft, rest: bytes, ending: bytes, file: Path) -> None:
        draft.write(rest)
        draft.finish(ending)
        add_to_index(file, draft.target.name, self._folder)

    async def _active_remote(self) -> RemoteLogging | None:
        if self._remote is None or not await self._in_thread(self._remote.is_configured):
            return None
        return self._remote

    async def _in_thread(self, work: Callable[..., T], *arguments: object) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, work, *arguments)


def _more_precise(sentence: str, pod: Pod, events: Sequence[Event]) -> str:
    """The verdict's sentence, with what events know in place of what the pod's status says.

    Whatever else is in it stays: that it was the last pod, or what only the exit code means.
    """
    before, after = diagnose(pod, main=BASE), diagnose(pod, events, main=BASE)
    if after is None:
        return sentence
    return str(after) if before is None else sentence.replace(str(before), str(after))


def _ending(subject: _Subject, gap: str) -> bytes:
    lines = undated_line(gap, level="warning") if gap else b""
    if subject.needs_a_cause:
        lines += cause_lines(subject.pod_name, subject.sentence, subject.events, subject.mark)
    if subject.relaunched:
        lines += log_line("Another pod was started for this try; its log follows.")
    return lines


def _code(pod: Pod | None) -> int | None:
    return exit_code(pod, BASE) if pod else None


def _speaks_for_itself(pod: Pod | None) -> bool:
    if pod is None or exit_code(pod, BASE) != _WORKERS_OWN_FAILURE:
        return False
    # The worker outlives a task's process that used too much memory, but knows no more of it
    # than the signal; the node knows why.
    diagnosis = diagnose(pod, main=BASE)
    return diagnosis is None or diagnosis.cause is Cause.FAILED
