from __future__ import annotations

import pytest
from bench.side_by_side.spread import ratios, shown, spread
from hypothesis import given
from hypothesis import strategies as st

figures = st.lists(st.floats(0.001, 1e6), min_size=1)


@given(figures)
def test_the_middle_lies_between_the_least_and_the_greatest(found: list[float]) -> None:
    made = spread(found)
    assert made.least <= made.middle <= made.most
    assert made.count == len(found)


@given(st.floats(0.001, 1e6), st.integers(1, 9))
def test_equal_figures_have_no_width(figure: float, times: int) -> None:
    made = spread([figure] * times)
    assert made.width == 0
    assert not made.too_wide


def test_figures_a_third_apart_are_too_wide() -> None:
    assert spread([90, 100, 125]).too_wide
    assert not spread([90, 100, 115]).too_wide


def test_there_is_no_middle_of_nothing() -> None:
    with pytest.raises(ValueError, match="no figure"):
        spread([])


def test_ratios_are_taken_pair_by_pair() -> None:
    assert ratios([10, 30], [5, 10]) == [2, 3]
    with pytest.raises(ValueError, match="argument"):
        ratios([1, 2], [1])


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "0"),
        (0.0349, "0.035"),
        (0.999, "1.00"),
        (1.234, "1.23"),
        (56.78, "56.8"),
        (6098.3, "6,098"),
    ],
)
def test_a_figure_is_shown_with_the_digits_that_mean_something(value: float, words: str) -> None:
    assert shown(value) == words
