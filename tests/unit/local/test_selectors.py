"""Label and field selectors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podlift.local import errors
from podlift.local.api.selectors import Selector, label_selector_of, parse_fields, parse_labels
from podlift.local.kinds import POD
from podlift.local.store import Facts

KEYS = st.sampled_from(["a", "b", "app.kubernetes.io/name"])
VALUES = st.sampled_from(["", "1", "2", "x-y"])


def selects(text: str, labels: dict[str, str]) -> bool:
    """Whether a label selector matches."""
    return all(one.matches(labels) for one in parse_labels(text))


@pytest.mark.parametrize(
    ("text", "labels", "expected"),
    [
        ("", {}, True),
        ("a=1", {"a": "1"}, True),
        ("a==1,b!=2", {"a": "1", "b": "3"}, True),
        ("b!=2", {}, True),
        ("a in (1, 2)", {"a": "2"}, True),
        ("a in (1, 2)", {}, False),
        ("a notin (1,2)", {"a": "3"}, True),
        ("a notin (1,2)", {}, True),
        ("a", {"a": ""}, True),
        ("!a", {"b": "1"}, True),
        ("!a", {"a": "1"}, False),
        ("a>3", {"a": "4"}, True),
        ("a<3", {"a": "4"}, False),
        ("a=", {"a": ""}, True),
    ],
)
def test_label_selectors(text: str, labels: dict[str, str], expected: bool) -> None:
    assert selects(text, labels) is expected


@pytest.mark.parametrize("text", ["a b c", "a in 1", "a in (1", "a,", "=1", "a>x", "a=1 b=2"])
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(errors.BadRequest):
        parse_labels(text)


@given(st.dictionaries(KEYS, VALUES), KEYS, st.sets(VALUES.filter(bool), min_size=1))
def test_in_and_notin_are_opposites(labels: dict[str, str], key: str, values: set[str]) -> None:
    inside = f"{key} in ({','.join(sorted(values))})"
    outside = f"{key} notin ({','.join(sorted(values))})"
    assert selects(inside, labels) is not selects(outside, labels)


@given(st.dictionaries(KEYS, VALUES.filter(bool)))
def test_an_object_is_selected_by_its_own_labels(labels: dict[str, str]) -> None:
    text = ",".join(f"{key}={value}" for key, value in labels.items())
    assert selects(text, labels)
    assert all(one.matches(labels) for one in label_selector_of({"matchLabels": labels}))


def test_field_selectors_look_at_the_facts_of_an_object() -> None:
    facts = Facts("ns", "one", {}, {"status.phase": "Running", "spec.nodeName": ""})
    tests = parse_fields(POD, "metadata.name=one,status.phase!=Pending,spec.nodeName=")
    assert Selector("ns", (), tests).matches(facts)
    assert not Selector("other", (), tests).matches(facts)


def test_a_field_that_cannot_be_selected_by_is_named() -> None:
    with pytest.raises(errors.BadRequest, match=r"field label not supported: spec\.image"):
        parse_fields(POD, "spec.image=x")
