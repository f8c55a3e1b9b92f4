"""The faults that the proxy injects: which there are, who could cause them, and how often."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from enum import Enum


class Cause(Enum):
    """Who does such a thing in real life."""

    SERVER = "a real API server"
    NETWORK = "the network, or a load balancer"
    MIDDLEBOX = "only a broken middlebox"


class Fault(Enum):
    """One kind of fault, with who could cause it."""

    LATENCY = "answers late", Cause.SERVER
    SLOW_BODY = "sends the answer in drips", Cause.NETWORK
    BUSY = "429 without Retry-After", Cause.SERVER
    BUSY_RETRY_AFTER = "429 with Retry-After", Cause.SERVER
    ERROR_500 = "500, not carried out", Cause.SERVER
    ERROR_500_DONE = "500 (etcd timed out), carried out all the same", Cause.SERVER
    BAD_GATEWAY = "502 with a web page", Cause.NETWORK
    UNAVAILABLE = "503", Cause.SERVER
    GATEWAY_TIMEOUT = "504, carried out all the same", Cause.NETWORK
    RESET_BEFORE = "connection reset, not carried out", Cause.NETWORK
    RESET_AFTER = "connection reset, carried out all the same", Cause.NETWORK
    NO_ANSWER = "no answer, not carried out", Cause.NETWORK
    NO_ANSWER_DONE = "no answer, carried out all the same", Cause.NETWORK
    CUT_ANSWER = "answer broken off in the middle", Cause.NETWORK
    WATCH_EXPIRED = "watch told 410 Gone", Cause.SERVER
    WATCH_ENDED = "watch ended by the server", Cause.SERVER
    WATCH_CUT = "watch cut between two events", Cause.NETWORK
    WATCH_CUT_LINE = "watch cut in the middle of an event", Cause.NETWORK
    WATCH_SILENT = "watch falls silent, connection open", Cause.NETWORK
    WATCH_DELAYED = "events delayed", Cause.NETWORK
    WATCH_REPEATED = "event repeated", Cause.MIDDLEBOX
    WATCH_SWAPPED = "events of two pods swapped", Cause.MIDDLEBOX

    def __init__(self, sentence: str, cause: Cause) -> None:
        self.sentence = sentence
        self.cause = cause


class Where(Enum):
    """What a fault can happen to."""

    READ = "a request that changes nothing"
    CHANGE = "a request that changes something"
    WATCH = "the beginning of a watch"
    EVENT = "an event of a watch"


@dataclass(frozen=True)
class Weather:
    """How likely each fault is, for a while."""

    name: str
    seconds: tuple[float, float]
    requests: dict[Fault, float]
    events: dict[Fault, float]
    partition: bool = False
    """Every connection is cut when it begins, and nothing gets through."""


_EVENTS = {
    Fault.WATCH_EXPIRED: 0.001,
    Fault.WATCH_ENDED: 0.002,
    Fault.WATCH_CUT: 0.002,
    Fault.WATCH_CUT_LINE: 0.002,
    Fault.WATCH_SILENT: 0.0004,
    Fault.WATCH_DELAYED: 0.005,
    Fault.WATCH_REPEATED: 0.02,
    Fault.WATCH_SWAPPED: 0.02,
}
_ANY = {fault: 0.002 for fault in Fault if not fault.name.startswith("WATCH_")}
_WEATHERS = (
    *[Weather("fair", (4, 8), _ANY, _EVENTS)] * 4,
    Weather("busy", (1.5, 3), {Fault.BUSY: 0.4, Fault.BUSY_RETRY_AFTER: 0.3}, _EVENTS),
    Weather(
        "broken",
        (1.5, 3),
        {
            Fault.ERROR_500: 0.15,
            Fault.ERROR_500_DONE: 0.1,
            Fault.BAD_GATEWAY: 0.1,
            Fault.UNAVAILABLE: 0.15,
            Fault.GATEWAY_TIMEOUT: 0.1,
        },
        _EVENTS,
    ),
    Weather(
        "lossy",
        (1.5, 3),
        {
            Fault.RESET_BEFORE: 0.1,
            Fault.RESET_AFTER: 0.15,
            Fault.NO_ANSWER: 0.03,
            Fault.NO_ANSWER_DONE: 0.03,
            Fault.CUT_ANSWER: 0.1,
        },
        {**_EVENTS, Fault.WATCH_CUT: 0.02, Fault.WATCH_CUT_LINE: 0.02},
    ),
    Weather(
        "slow",
        (1.5, 3),
        {Fault.LATENCY: 0.6, Fault.SLOW_BODY: 0.2},
        {**_EVENTS, Fault.WATCH_DELAYED: 0.03},
    ),
    Weather("partition", (1, 3.5), {}, _EVENTS, partition=True),
)
CLEAR = Weather("clear", (0, 0), {}, {})
"""No faults: the end of a run, when everything has to settle."""

_ONLY_CHANGES = frozenset(
    {Fault.ERROR_500_DONE, Fault.GATEWAY_TIMEOUT, Fault.RESET_AFTER, Fault.NO_ANSWER_DONE}
)
_NOT_FOR_WATCHES = frozenset({Fault.SLOW_BODY, Fault.CUT_ANSWER}) | _ONLY_CHANGES


class Faults:
    """Draws faults by the present weather, from a seed, and counts them."""

    def __init__(self, seed: int) -> None:
        self.weather = CLEAR
        self.counts: Counter[Fault] = Counter()
        self.partitions = 0
        self._chances = {where: random.Random(f"{where.name} {seed}") for where in Where}
        self._skies = random.Random(f"weather {seed}")

    def change_weather(self) -> float:
        """Take the next weather; returns the seconds that it lasts."""
        self.weather = self._skies.choice(_WEATHERS)
        self.partitions += self.weather.partition
        return self._skies.uniform(*self.weather.seconds)

    def clear_up(self) -> None:
        """No faults from now on."""
        self.weather = CLEAR

    def draw(self, where: Where) -> Fault | None:
        """The fault that happens now, if any; it is counted."""
        number = self._chances[where].random()
        odds = self.weather.events if where is Where.EVENT else self.weather.requests
        for fault, odd in odds.items():
            if number < odd:
                if not _can_happen(fault, where):
                    return None
                self.counts[fault] += 1
                return fault
            number -= odd
        return None


def _can_happen(fault: Fault, where: Where) -> bool:
    if where is Where.READ:
        return fault not in _ONLY_CHANGES
    return where is not Where.WATCH or fault not in _NOT_FOR_WATCHES
