"""What each task of a run does, what is done to it, and when schedulers die: all from one seed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

T = TypeVar("T")

INFRASTRUCTURE_RETRIES = 3
"""The executor's default: how many pods the infrastructure may take away from one task."""


class Work(Enum):
    """What becomes of a task if nobody disturbs it."""

    SUCCEED = "succeeds"
    FAIL = "fails by itself"
    DEFER = "ends, and is queued again at once"
    OUT_OF_MEMORY = "runs out of memory"
    BAD_IMAGE = "has an image that cannot be"
    NO_SECRET = "needs a Secret that is missing"


class Mishap(Enum):
    """What is done to a task's pod by somebody other than the executor."""

    NONE = "nothing"
    DELETED_PENDING = "deleted while pending"
    REFUSED_BY_NODE = "refused by its node"
    STUCK = "queued for too long, so revoked by the scheduler"
    SECRET_LATE = "its Secret turned up late"
    EVICTED = "evicted while running"
    PREEMPTED = "preempted while running"
    DELETED_RUNNING = "deleted while running"
    NODE_LOST = "its node vanished while running"


GATED = frozenset({Mishap.DELETED_PENDING, Mishap.REFUSED_BY_NODE, Mishap.STUCK})
"""Pods of these are held by a scheduling gate, so that they surely pend when it happens."""
MIDWAY = frozenset({Mishap.EVICTED, Mishap.PREEMPTED, Mishap.DELETED_RUNNING, Mishap.NODE_LOST})
ENDLESS = 1000
"""As many times as it takes to use up the retries."""


@dataclass(frozen=True)
class Plan:
    """One task. ``index`` is its map index; ``times`` says how often the mishap happens."""

    index: int
    work: Work
    seconds: float
    mishap: Mishap = Mishap.NONE
    times: int = 0
    priority: int = 1

    @property
    def succeeds(self) -> bool:
        """Whether the task must end with success, whatever happens around it."""
        return self.work in (Work.SUCCEED, Work.DEFER) and self.times < ENDLESS


class Blow(Enum):
    """What happens to a scheduler."""

    KILL = "killed (SIGKILL), and another one started"
    STOP = "stopped for a while (SIGSTOP, SIGCONT)"


@dataclass(frozen=True)
class Strike:
    """A blow, so many seconds after the one before; ``lasting`` is until it ends or is replaced."""

    after: float
    blow: Blow
    slot: int
    lasting: float


_WORKS = (
    (Work.FAIL, 0.06),
    (Work.DEFER, 0.06),
    (Work.OUT_OF_MEMORY, 0.005),
    (Work.BAD_IMAGE, 0.01),
    (Work.NO_SECRET, 0.01),
)
_MISHAPS = (
    (Mishap.DELETED_PENDING, 0.03),
    (Mishap.REFUSED_BY_NODE, 0.02),
    (Mishap.STUCK, 0.02),
    (Mishap.SECRET_LATE, 0.01),
    (Mishap.EVICTED, 0.03),
    (Mishap.PREEMPTED, 0.01),
    (Mishap.DELETED_RUNNING, 0.02),
    (Mishap.NODE_LOST, 0.01),
)
_RELENTLESS = 0.004


def plans_for(seed: int, tasks: int) -> list[Plan]:
    """The tasks of one run; the same for the same seed."""
    chance = random.Random(f"plans {seed}")
    return [_plan(index, chance) for index in range(tasks)]


def _plan(index: int, chance: random.Random) -> Plan:
    seconds = chance.choice((0.0, 0.1, 0.3, 1.0, 2.0))
    priority = chance.randint(1, 10)
    if chance.random() < _RELENTLESS:
        return Plan(index, Work.SUCCEED, 30.0, Mishap.EVICTED, ENDLESS, priority)
    work = _draw(chance, _WORKS, Work.SUCCEED)
    if work is not Work.SUCCEED:
        return Plan(index, work, seconds, priority=priority)
    mishap = _draw(chance, _MISHAPS, Mishap.NONE)
    if mishap is Mishap.NONE:
        return Plan(index, work, seconds, priority=priority)
    # A scheduler revokes twice and then gives a task up; the executor replaces three pods.
    most = 2 if mishap is Mishap.STUCK else INFRASTRUCTURE_RETRIES
    times = 1 if mishap is Mishap.SECRET_LATE else min(most, chance.choice((1, 1, 1, 2, 3)))
    seconds = max(seconds, 3.0) if mishap in MIDWAY else seconds
    return Plan(index, work, seconds, mishap, times, priority)


def _draw(chance: random.Random, weights: Sequence[tuple[T, float]], otherwise: T) -> T:
    number = chance.random()
    for choice, weight in weights:
        if number < weight:
            return choice
        number -= weight
    return otherwise


def strikes_for(seed: int, slots: int) -> list[Strike]:
    """The blows that schedulers get, more than a run will have time for."""
    chance = random.Random(f"strikes {seed}")
    return [_strike(chance, slots) for _ in range(200)]


def _strike(chance: random.Random, slots: int) -> Strike:
    slot = chance.randrange(slots)
    # The first one is killed rarely, because a leak only shows in a scheduler that lives.
    kill = chance.random() < (0.3 if slot == 0 else 0.85)
    return Strike(
        after=chance.uniform(5.0, 12.0),
        blow=Blow.KILL if kill else Blow.STOP,
        slot=slot,
        lasting=chance.choice((0.0, 1.0, 3.0, 8.0)),
    )
