"""How the engine waits for news."""

from __future__ import annotations

import selectors
import socket
from collections.abc import Iterator

import pytest

from podlift.executor.coalescing import INTERVAL, CoalescingSelector


class Clock:
    """Time that passes when somebody sleeps, or when the test says so."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def selector(clock: Clock) -> Iterator[CoalescingSelector]:
    """One with something to read, which is there at once."""
    ours, theirs = socket.socketpair()
    with ours, theirs, CoalescingSelector(clock, clock.sleep) as made:
        made.register(ours, selectors.EVENT_READ)
        theirs.send(b"news")
        yield made


def test_the_first_news_is_told_at_once(selector: CoalescingSelector, clock: Clock) -> None:
    assert len(selector.select(1.0)) == 1
    assert clock.slept == []


def test_the_next_news_may_come_together(selector: CoalescingSelector, clock: Clock) -> None:
    selector.select(None)
    clock.now += INTERVAL / 4
    assert len(selector.select(None)) == 1
    assert clock.slept == [pytest.approx(INTERVAL * 3 / 4)]


def test_news_after_a_while_is_told_at_once(selector: CoalescingSelector, clock: Clock) -> None:
    selector.select(None)
    clock.now += INTERVAL
    selector.select(None)
    assert clock.slept == []


@pytest.mark.parametrize("timeout", [0, -1])
def test_a_loop_with_more_to_do_is_not_held_up(
    selector: CoalescingSelector, clock: Clock, timeout: float
) -> None:
    selector.select(None)
    assert len(selector.select(timeout)) == 1
    assert clock.slept == []


def test_no_timer_is_late(selector: CoalescingSelector, clock: Clock) -> None:
    selector.select(None)
    selector.select(INTERVAL / 8)
    assert clock.slept == [INTERVAL / 8]
