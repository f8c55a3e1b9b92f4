"""Laying one manifest over another."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podlift.pods.errors import InvalidManifest
from podlift.pods.merging import MERGE_KEYS, strategic_merge
from podlift.pods.plain import Manifest

SCALARS = st.one_of(st.text(max_size=3), st.integers(0, 3), st.booleans())
NAMES = st.sampled_from(["a", "b", "c"])


def elements(field: str, extra: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    keys = MERGE_KEYS[field]
    element = st.fixed_dictionaries(
        dict.fromkeys(keys[:1], NAMES),
        optional=dict.fromkeys(keys[1:], NAMES) | {"x": extra, "y": extra},
    )

    def key(each: Manifest) -> str:
        return repr([each.get(name) for name in keys])

    return st.lists(element, max_size=3, unique_by=key)


def manifests(leaf: st.SearchStrategy[Any]) -> st.SearchStrategy[Manifest]:
    values = st.one_of(
        leaf, st.lists(SCALARS, max_size=2), st.dictionaries(NAMES, leaf, max_size=2)
    )
    fields: dict[Any, st.SearchStrategy[Any]] = {
        field: elements(field, values) for field in ("env", "volumes", "tolerations", "ports")
    }
    containers = st.lists(
        st.fixed_dictionaries({"name": NAMES}, optional={"image": leaf, "env": fields["env"]}),
        max_size=3,
        unique_by=lambda each: str(each["name"]),
    )
    fields["containers"] = containers
    fields |= {"m": st.dictionaries(NAMES, values, max_size=3), "s": values}
    return st.fixed_dictionaries({}, optional=fields)


BASES = manifests(SCALARS)
OVERRIDES = manifests(st.one_of(SCALARS, st.none()))


@given(BASES)
def test_an_empty_override_changes_nothing(base: Manifest) -> None:
    assert strategic_merge(base, {}) == base


@given(BASES, OVERRIDES)
def test_the_inputs_stay_untouched_and_share_nothing(base: Manifest, override: Manifest) -> None:
    before = copy.deepcopy((base, override))
    merged = strategic_merge(base, override)
    _empty(merged)
    assert (base, override) == before


@given(BASES, OVERRIDES)
def test_laying_an_override_on_twice_is_the_same_as_once(
    base: Manifest, override: Manifest
) -> None:
    once = strategic_merge(base, override)
    assert strategic_merge(once, override) == once


@given(BASES, BASES)
def test_keyed_lists_keep_the_bases_order_and_then_the_overrides(
    base: Manifest, override: Manifest
) -> None:
    merged = strategic_merge(base, override)
    old = [each["name"] for each in base.get("containers", [])]
    new = [each["name"] for each in override.get("containers", [])]
    expected = old + [name for name in new if name not in old]
    assert [each["name"] for each in merged.get("containers", [])] == expected


def _empty(value: Any) -> None:
    for item in list(value.values() if isinstance(value, dict) else value):
        if isinstance(item, dict | list):
            _empty(item)
    value.clear()


def test_elements_of_keyed_lists_are_merged_and_plain_lists_replaced() -> None:
    base = {"containers": [{"name": "base", "image": "a", "args": ["1", "2"], "tty": True}]}
    override = {"containers": [{"name": "base", "image": "b", "args": ["3"]}, {"name": "new"}]}
    assert strategic_merge(base, override) == {
        "containers": [
            {"name": "base", "image": "b", "args": ["3"], "tty": True},
            {"name": "new"},
        ]
    }


def test_null_takes_a_field_away_and_leaves_no_trace_where_there_was_none() -> None:
    assert strategic_merge({"a": 1, "m": {"x": 1}}, {"a": None, "m": {"x": None}, "n": None}) == {
        "m": {}
    }


def test_patch_directives() -> None:
    base = {"containers": [{"name": "a", "image": "1"}, {"name": "b"}], "m": {"x": 1, "y": 2}}
    assert strategic_merge(base, {"m": {"$patch": "replace", "z": 3}})["m"] == {"z": 3}
    assert "m" not in strategic_merge(base, {"m": {"$patch": "delete"}})
    deleted = strategic_merge(base, {"containers": [{"name": "a", "$patch": "delete"}]})
    assert deleted["containers"] == [{"name": "b"}]
    replaced = strategic_merge(base, {"containers": [{"name": "c"}, {"$patch": "replace"}]})
    assert replaced["containers"] == [{"name": "c"}]
    element = strategic_merge(
        base, {"containers": [{"name": "a", "$patch": "replace", "tty": True}]}
    )
    assert element["containers"][0] == {"name": "a", "tty": True}


def test_a_volumes_source_takes_the_place_of_the_former_one() -> None:
    base = {"volumes": [{"name": "v", "configMap": {"name": "c", "optional": True}}]}
    other = strategic_merge(base, {"volumes": [{"name": "v", "emptyDir": {}}]})
    assert other["volumes"] == [{"name": "v", "emptyDir": {}}]
    same = strategic_merge(base, {"volumes": [{"name": "v", "configMap": {"name": "d"}}]})
    assert same["volumes"] == [{"name": "v", "configMap": {"name": "d", "optional": True}}]


def test_a_variable_has_either_a_value_or_a_source() -> None:
    source = {"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}
    value = {"name": "A", "value": "1"}
    assert strategic_merge({"env": [source]}, {"env": [value]}) == {"env": [value]}
    assert strategic_merge({"env": [value]}, {"env": [source]}) == {"env": [source]}


def test_one_port_number_can_be_both_tcp_and_udp() -> None:
    base = {"ports": [{"containerPort": 53, "protocol": "UDP"}, {"containerPort": 53}]}
    merged = strategic_merge(
        base, {"ports": [{"containerPort": 53, "protocol": "TCP", "name": "dns"}]}
    )
    assert merged["ports"] == [
        {"containerPort": 53, "protocol": "UDP"},
        {"containerPort": 53, "protocol": "TCP", "name": "dns"},
    ]


def test_a_toleration_is_added_to_those_of_the_template() -> None:
    spot = {"key": "spot", "operator": "Exists"}
    gpu = {"key": "gpu", "value": "yes", "effect": "NoSchedule"}
    merged = strategic_merge({"tolerations": [spot]}, {"tolerations": [gpu, spot]})
    assert merged["tolerations"] == [spot, gpu]


@pytest.mark.parametrize(
    ("override", "path"),
    [
        ({"containers": [{"image": "x"}]}, "containers[0]"),
        ({"containers": ["x"]}, "containers[0]"),
        ({"spec": {"$patch": "explode"}}, "spec"),
        ({"spec": {"$setElementOrder/containers": []}}, "spec"),
    ],
)
def test_what_cannot_be_merged_is_refused_with_its_path(override: Manifest, path: str) -> None:
    with pytest.raises(InvalidManifest) as refusal:
        strategic_merge({}, override)
    assert refusal.value.path == path
