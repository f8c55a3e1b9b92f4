"""The rate of creations: no limit until the server asks for one, then as fast as it takes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from podlift.executor.pacing import Pace


def accept(pace: Pace, count: int, start: float, seconds: float) -> float:
    for index in range(count):
        pace.accepted(start + seconds * index / count)
    return start + seconds


def test_nothing_is_held_back_at_first() -> None:
    pace = Pace()
    for _ in range(1000):
        assert pace.wait(0.0) == 0.0
        pace.begin(0.0)


def test_a_refusal_pauses_and_then_halves_what_was_being_done() -> None:
    pace = Pace()
    now = accept(pace, 80, 0.0, 2.0)
    assert pace.refused(now) == 1.0
    assert pace.rate == 20.0
    assert pace.wait(now + 1.0) == 0.0
    pace.begin(now + 1.0)
    assert abs(pace.wait(now + 1.0) - 1 / 20) < 1e-9


def test_refusals_of_requests_that_were_under_way_together_count_once() -> None:
    pace = Pace()
    now = accept(pace, 80, 0.0, 2.0)
    for _ in range(30):
        pace.refused(now)
    assert pace.rate == 20.0


def test_the_servers_own_word_on_when_to_come_back_is_kept() -> None:
    pace = Pace()
    assert pace.refused(0.0, retry_after=7.0) == 7.0
    assert pace.wait(6.0) == 1.0


def test_a_server_that_goes_on_refusing_is_asked_more_and_more_rarely() -> None:
    pace = Pace()
    now, waits = 0.0, []
    for _ in range(10):
        waits.append(pace.refused(now))
        now += waits[-1]
    assert waits == sorted(waits)
    assert waits[-1] == 15.0


def test_one_answer_that_is_lost_among_others_means_nothing() -> None:
    pace = Pace()
    for now in range(10):
        pace.lost(float(now))
        assert pace.wait(float(now)) == 0.0
        pace.accepted(float(now))


def test_a_server_that_gives_no_answers_is_held_to_be_busy() -> None:
    pace = Pace()
    pace.lost(0.0)
    pace.lost(0.1)
    assert pace.wait(0.1) == 1.0


def test_success_raises_the_rate_until_there_is_no_limit_again() -> None:
    pace = Pace()
    pace.refused(0.0)
    for index in range(2000):
        pace.accepted(10.0 + index)
    pace.begin(5000.0)
    assert pace.wait(5000.0) == 0.0


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 10), st.none() | st.floats(0, 1000))))
def test_there_is_always_an_end_to_waiting(steps: list[tuple[bool, float, float | None]]) -> None:
    pace, now = Pace(), 0.0
    for good, passed, retry_after in steps:
        now += passed
        pace.begin(now)
        if good:
            pace.accepted(now)
        else:
            pace.refused(now, retry_after)
        assert 0.0 <= pace.wait(now) <= 60.0 + 2.0 * len(steps)
        assert pace.rate > 0
