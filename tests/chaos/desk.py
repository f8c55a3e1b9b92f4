"""The desk: plays Airflow's execution API towards the pods, and sees which of them run a task.

Pods write requests into one named pipe and read answers from pipes of their own, so that a pod
needs a shell and no network. As in Airflow, a task instance may begin only when it is queued, and
may end only when it runs.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.plans import MIDWAY, Plan, Work
from tests.chaos.rows import Rows


@dataclass
class Run:
    """One pod in which a task instance ran."""

    index: int
    ti_id: str
    pod_uid: str
    began: float
    ended: float | None = None
    end: str = ""


@dataclass
class Desk:
    """Answers pods. ``on_begin`` hears of every run that was allowed, and those still open."""

    folder: Path
    rows: Rows
    plans: list[Plan]
    on_begin: Callable[[Run, list[Run]], None]
    runs: list[Run] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    journal: list[str] = field(default_factory=list)
    """Every question and its answer, for whoever looks for a mistake."""
    _open: defaultdict[int, dict[str, Run]] = field(default_factory=lambda: defaultdict(dict))
    _replies: dict[str, int] = field(default_factory=dict)
    _rest: bytes = b""

    async def __aenter__(self) -> Desk:
        self.folder.mkdir()
        self.folder.chmod(0o777)
        self.requests = self.folder / "requests"
        os.mkfifo(self.requests)
        self.requests.chmod(0o666)
        # Open for writing too: the pipe has no end when the last pod closes it.
        self._pipe = os.open(self.requests, os.O_RDWR | os.O_NONBLOCK)
        # A row may be locked for seconds by a scheduler that adopts it.
        self._threads = ThreadPoolExecutor(8, "desk")
        self._tasks: set[asyncio.Task[None]] = set()
        asyncio.get_running_loop().add_reader(self._pipe, self._readable)
        return self

    async def __aexit__(self, *_: object) -> None:
        asyncio.get_running_loop().remove_reader(self._pipe)
        os.close(self._pipe)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._threads.shutdown()
        for reply in self._replies.values():
            os.close(reply)

    def pod_ended(self, pod_uid: str, index: int, end: str) -> None:
        """The cluster says that nothing of the pod runs any more."""
        if (run := self._open[index].pop(pod_uid, None)) is not None:
            run.ended, run.end = time.time(), run.end or end
        if (reply := self._replies.pop(pod_uid, None)) is not None:
            os.close(reply)

    def _readable(self) -> None:
        *lines, self._rest = (self._rest + os.read(self._pipe, 65536)).split(b"\n")
        for line in lines:
            task = asyncio.create_task(self._serve(*line.decode().split()))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, what: str, pod_uid: str, ti_id: str, index: str) -> None:
        plan = self.plans[int(index)]
        match what:
            case "begin":
                answer = await self._begin(plan, pod_uid, ti_id)
            case "end":
                answer = await self._end(plan, pod_uid, ti_id)
            case _:
                self.pod_ended(pod_uid, plan.index, "stopped")
                answer = ""
        self.journal.append(f"{time.time():.3f} {what} {index} {ti_id} {pod_uid} -> {answer}")
        if answer:
            self._reply(pod_uid, answer)

    async def _begin(self, plan: Plan, pod_uid: str, ti_id: str) -> str:
        if not await self._in_thread(self.rows.begin, ti_id, pod_uid):
            self.refused["begin"] += 1
            return "refused"
        run = Run(plan.index, ti_id, pod_uid, time.time())
        others = list(self._open[plan.index].values())
        self._open[plan.index][pod_uid] = run
        self.runs.append(run)
        self.on_begin(run, others)
        if plan.work is Work.OUT_OF_MEMORY:
            return "eat"
        return f"run {self._seconds(plan)} {1 if plan.work is Work.FAIL else 0}"

    def _seconds(self, plan: Plan) -> float:
        if plan.mishap not in MIDWAY:
            return plan.seconds
        # Long enough to be hit; once it has been hit often enough, it may go through.
        begun = sum(run.index == plan.index for run in self.runs)
        return plan.seconds if begun <= plan.times else 0.1

    async def _end(self, plan: Plan, pod_uid: str, ti_id: str) -> str:
        begun = sum(run.index == plan.index for run in self.runs)
        state = "success"
        if plan.work is Work.FAIL:
            state = "failed"
        elif plan.work is Work.DEFER and begun == 1:
            state = "scheduled"
        if not await self._in_thread(self.rows.end, ti_id, state):
            self.refused["end"] += 1
            return "refused"
        if (run := self._open[plan.index].pop(pod_uid, None)) is not None:
            run.ended, run.end = time.time(), state
        return "ended"

    async def _in_thread(self, call: Callable[..., bool], *arguments: str) -> bool:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, call, *arguments)

    def _reply(self, pod_uid: str, answer: str) -> None:
        path = self.folder / pod_uid
        # The pod may have been killed since it asked.
        with suppress(OSError):
            if pod_uid not in self._replies:
                self._replies[pod_uid] = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
                path.unlink()
            os.write(self._replies[pod_uid], answer.encode() + b"\n")
