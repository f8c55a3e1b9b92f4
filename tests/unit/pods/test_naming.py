"""Names and label values that the API server takes."""

from __future__ import annotations

import re
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podlift.pods.naming import label_value, launch_in, pod_name

DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")
PARTS = st.lists(st.text(max_size=80), max_size=5)
UIDS = st.text(min_size=1, max_size=40)
LAUNCHES = st.integers(0, 10**6)


@given(PARTS, UIDS, LAUNCHES)
def test_a_name_is_a_dns_label_and_always_the_same(parts: list[str], uid: str, launch: int) -> None:
    name = pod_name(parts, uid, launch)
    assert DNS_LABEL.fullmatch(name)
    assert name == pod_name(list(parts), uid, launch)


@given(PARTS, st.sets(st.tuples(UIDS, LAUNCHES), min_size=2, max_size=5))
def test_another_uid_or_launch_has_another_name(
    parts: list[str], launches: set[tuple[str, int]]
) -> None:
    names = {pod_name(parts, uid, launch) for uid, launch in launches}
    assert len(names) == len(launches)


@given(PARTS, UIDS, LAUNCHES)
def test_a_name_tells_its_launch_to_who_knows_the_uid(
    parts: list[str], uid: str, launch: int
) -> None:
    name = pod_name(parts, uid, launch)
    assert launch_in(name, uid) == launch
    assert launch_in(name, uid + "x") is None


@pytest.mark.parametrize("name", ["", "-", "1", "a-1", str(uuid.UUID(int=1)), "pod-one"])
def test_other_names_tell_none(name: str) -> None:
    assert launch_in(name, "0199") is None


def test_a_name_shows_where_the_pod_comes_from() -> None:
    assert pod_name(["My_DAG", "köln.extract"], "0199", 2).startswith("my-dag-koln-extract-")


def test_the_longest_part_is_cut_first() -> None:
    name = pod_name(["etl", "a" * 100], "0199", 1)
    assert name.startswith("etl-aaaaaaaaaa")
    assert len(name) == 63


@pytest.mark.parametrize(("uid", "launch"), [("", 1), ("x", -1)])
def test_a_name_needs_something_to_tell_it_by(uid: str, launch: int) -> None:
    with pytest.raises(ValueError, match="uid"):
        pod_name(["a"], uid, launch)


@given(st.text(max_size=200))
def test_a_label_value_is_always_valid(text: str) -> None:
    assert LABEL_VALUE.fullmatch(label_value(text))


@given(st.from_regex(LABEL_VALUE, fullmatch=True))
def test_a_valid_label_value_stays_as_it_is(text: str) -> None:
    assert label_value(text) == text


@given(st.text(max_size=100), st.text(max_size=100))
def test_long_values_with_the_same_beginning_stay_apart(one: str, other: str) -> None:
    if one != other:
        assert label_value("x" * 70 + one) != label_value("x" * 70 + other)


def test_a_run_id_stays_readable() -> None:
    value = label_value("scheduled__2026-11-22T00:00:00+00:00")
    assert value.startswith("scheduled__2026-11-22T00-00-00-00-00-")
