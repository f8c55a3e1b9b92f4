"""Delays grow, stay bounded, differ between clients, and respect what the server asks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from podlift.kube.errors import ServerError, TooManyRequests
from podlift.kube.pacing import Backoff


def test_delays_double_up_to_a_bound_and_start_over_after_a_success() -> None:
    backoff = Backoff(lambda: 1.0, first=1, most=10)
    assert [backoff.next() for _ in range(6)] == [1, 2, 4, 8, 10, 10]
    backoff.reset()
    assert backoff.next() == 1


@given(st.floats(0, 1), st.integers(0, 200))
def test_a_delay_lies_in_the_upper_half_of_its_range(chance: float, failures: int) -> None:
    backoff = Backoff(lambda: chance, first=0.5, most=30)
    delay = 0.0
    for _ in range(failures + 1):
        delay = backoff.next()
    full = min(30, 0.5 * 2 ** min(failures, 16))
    assert full / 2 <= delay <= full


def test_the_wait_that_the_server_asks_for_comes_on_top() -> None:
    backoff = Backoff(lambda: 0.0, first=1)
    assert backoff.next(TooManyRequests(429, "", "busy", retry_after=20)) == 20.5
    assert backoff.next(ServerError(503, "", "down")) == 1
