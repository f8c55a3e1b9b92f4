"""Whose pod is created next: by priority, but nobody waits for a namespace that takes none.

Pure: the caller brings the clock. A namespace that refuses pods, because its quota is used up, gets
a line of its own. One of that line is tried now and then, and as soon as a pod of ours ends there.
Every pod that the namespace then takes lets one more be tried at the same time; the next refusal
begins anew. Who was refused waits until the others have had their try, because quotas are about
size too: a task that is too large does not keep the small ones out. Only right after a pod's end a
refusal tells nothing yet: Kubernetes counts anew a moment later, and priority is to decide then.
"""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass, field
from typing import NamedTuple

from podlift.executor.execution import Execution
from podlift.executor.state import State

_PAUSE = 0.5
"""Seconds until a namespace that has just refused is tried again; they double with every refusal in
a row."""
_LONGEST_PAUSE = 15.0
"""It may be somebody else's pods that end there, of which we hear nothing."""
_RECOUNT = 1.0
"""Seconds after a pod's end within which Kubernetes has counted what is left of the quota (its
controller takes tens of milliseconds, more when it is busy)."""
_RECOUNT_PAUSE = 0.1
"""The first pause within that time; they double there too."""


class _Entry(NamedTuple):
    refusals: int
    """In this round: since a pod of the namespace ended."""
    precedence: int
    """Negative priority."""
    number: int
    serial: int
    launch: int
    execution: Execution

    @property
    def waits(self) -> bool:
        record = self.execution.record
        return record.state is State.QUEUED and record.launch == self.launch


@dataclass
class _Line:
    """Those who wait, and how many of them may be tried."""

    heap: list[_Entry] = field(default_factory=list)
    reason: str = ""
    not_before: float = 0.0
    pause: float = _PAUSE
    recounted: float = 0.0
    window: int = 1
    trying: set[str] = field(default_factory=set)
    refusals: dict[str, int] = field(default_factory=dict)

    def first(self) -> _Entry | None:
        """Who is next; those that no longer wait are dropped."""
        while self.heap and not self.heap[0].waits:
            heapq.heappop(self.heap)
        return self.heap[0] if self.heap else None

    def begin_round(self, now: float) -> None:
        """There may be room again: everybody in the order of priority, from now on."""
        self.not_before, self.pause = now, _RECOUNT_PAUSE
        self.recounted = now + _RECOUNT
        self.refusals.clear()
        self.heap = [entry._replace(refusals=0) for entry in self.heap]
        heapq.heapify(self.heap)


class Queue:
    """Executions that wait for their turn. Each is bound to the namespace it is known to be in."""

    def __init__(self) -> None:
        self._open = _Line()
        self._closed: dict[str, _Line] = {}
        self._serials = itertools.count()

    def push(self, execution: Execution, launch: int) -> None:
        """Let it wait for its turn."""
        # A pod that was never built may yet turn out to belong into another namespace.
        line = self._closed.get(execution.namespace) if execution.pod_name else None
        line = line or self._open
        refusals = line.refusals.get(execution.id, 0)
        serial = next(self._serials)
        entry = _Entry(refusals, -execution.priority, execution.number, serial, launch, execution)
        heapq.heappush(line.heap, entry)

    def pop(self, now: float) -> Execution | None:
        """Take out whose turn it is; None if nobody may be tried now."""
        ready = [self._open, *(line for line in self._closed.values() if _may_try(line, now))]
        firsts = [(entry, line) for line in ready if (entry := line.first()) is not None]
        if not firsts:
            return None
        # Refusals count among those of one namespace only.
        entry, line = min(firsts, key=lambda each: each[0][1:4])
        heapq.heappop(line.heap)
        if line is not self._open:
            line.trying.add(entry.execution.id)
        return entry.execution

    def wait(self, now: float) -> float | None:
        """Seconds until somebody may be tried; None if only what happens can change that."""
        if self._open.first() is not None:
            return 0.0
        lines = (each for each in self._closed.values() if len(each.trying) < each.window)
        waits = [line.not_before - now for line in lines if line.first() is not None]
        return max(0.0, min(waits)) if waits else None

    def held_back(self, execution: Execution) -> str:
        """Why its namespace is not to be asked for this one's pod now; empty if it may be."""
        line = self._closed.get(execution.namespace)
        return "" if line is None or execution.id in line.trying else line.reason

    def refused(self, execution: Execution, reason: str, now: float) -> None:
        """The execution's namespace takes no such pod at present."""
        line = self._closed.setdefault(execution.namespace, _Line())
        line.reason, line.window = reason, 1
        if now >= line.recounted:
            line.refusals[execution.id] = line.refusals.get(execution.id, 0) + 1
        if now >= line.not_before:  # refusals of what was under way together count once
            line.not_before = now + line.pause
            line.pause = min(line.pause * 2, _LONGEST_PAUSE)

    def accepted(self, execution: Execution, now: float) -> None:
        """The execution's namespace took its pod."""
        line = self._closed.get(execution.namespace)
        if line is not None:
            line.window += 1
            line.not_before, line.pause = now, _PAUSE

    def answered(self, execution: Execution) -> None:
        """A try is over, and who waits on has been pushed again."""
        line = self._closed.get(execution.namespace)
        if line is None:
            return
        line.trying.discard(execution.id)
        if not line.trying and line.first() is None:
            del self._closed[execution.namespace]

    def freed(self, namespace: str, now: float) -> bool:
        """A pod of the namespace has ended. Returns whether anybody waits for that."""
        line = self._closed.get(namespace)
        if line is None:
            return False
        line.begin_round(now)
        return True


def _may_try(line: _Line, now: float) -> bool:
    return line.not_before <= now and len(line.trying) < line.window
