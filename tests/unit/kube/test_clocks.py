"""A clock that is wrong is said once."""

from __future__ import annotations

from email.utils import formatdate

import pytest

from podlift.kube.clocks import ClockCheck


class Hands:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def test_a_small_difference_is_none(caplog: pytest.LogCaptureFixture) -> None:
    check = ClockCheck(Hands())
    check.heard(formatdate(1_000_020.0, usegmt=True))
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("server", "words"), [(999_900.0, "100 s ahead of"), (1_000_060.0, "60 s behind")]
)
def test_a_large_one_is_said_once(
    server: float, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    hands = Hands()
    check = ClockCheck(hands)
    for _ in range(3):
        check.heard(formatdate(server, usegmt=True))
        hands.now += 400.0
        server += 400.0
    assert caplog.text.count(words) == 1


def test_what_is_no_date_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    check = ClockCheck(Hands())
    check.heard(None)
    check.heard("yesterday")
    assert caplog.text == ""
