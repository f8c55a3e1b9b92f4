"""What is sealed is unreadable, and opens with the right key only."""

from __future__ import annotations

import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podlift.sealing import SealError, from_variables, new_key, seal, to_variables, unseal

KEY = new_key()


@given(st.binary(max_size=5000))
def test_what_was_sealed_comes_back(data: bytes) -> None:
    sealed = seal(data, KEY)
    assert unseal(sealed, [KEY]) == data
    assert sealed.isascii()
    assert " " not in sealed


def test_the_sealed_text_does_not_show_what_is_in_it() -> None:
    assert "token" not in seal(b"token" * 100, KEY)


def test_any_of_several_keys_opens_it_while_one_is_being_replaced() -> None:
    assert unseal(seal(b"x", KEY), [new_key(), KEY]) == b"x"


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        (seal(b"x", KEY), [new_key()]),
        (seal(b"x", KEY)[:-8] + "AAAAAAA=", [KEY]),
        ("no seal at all", [KEY]),
        ("§", [KEY]),
        (seal(b"x", KEY), []),
        (seal(b"x", KEY), ["not a key"]),
    ],
    ids=["another key", "altered", "no seal", "no text of a seal", "no key", "not a key"],
)
def test_what_does_not_fit_is_refused(text: str, keys: list[str]) -> None:
    with pytest.raises(SealError):
        unseal(text, keys)


def test_an_error_shows_neither_the_key_nor_the_text() -> None:
    other = new_key()
    with pytest.raises(SealError) as caught:
        unseal(seal(b"x", KEY), [other])
    shown = "".join(traceback.format_exception(caught.value))
    assert KEY not in shown
    assert other not in shown


def test_a_key_that_is_none_is_refused_when_sealing() -> None:
    with pytest.raises(SealError):
        seal(b"x", "short")


@given(st.integers(0, 400_000))
def test_a_long_text_is_carried_by_several_variables(length: int) -> None:
    text = "x" * length
    variables = to_variables(text)
    assert all(len(f"{name}={value}") < 128 * 1024 for name, value in variables.items())
    environment = {"PATH": "/bin", **variables}
    assert from_variables(environment) == text
    assert environment == {"PATH": "/bin"}


def test_what_no_pod_can_carry_is_refused_with_its_size() -> None:
    with pytest.raises(SealError, match=r"1\.5 MB sealed"):
        to_variables("x" * 1_500_000)


def test_what_repeats_itself_takes_less_room() -> None:
    assert len(seal(b"the same again " * 10_000, KEY)) < 5_000
