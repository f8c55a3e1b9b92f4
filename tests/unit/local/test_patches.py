"""The four ways to patch an object."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podlift.local import errors
from podlift.local.api.patches import apply_patch, json_patch, merge_patch, strategic
from podlift.local.api.patches.apply_patch import Applied
from podlift.local.api.schema import shape_of
from podlift.local.kinds import POD

SHAPE = shape_of(POD)
LEAVES = st.one_of(st.integers(), st.text(max_size=3), st.booleans())
TREES = st.recursive(
    LEAVES, lambda inner: st.dictionaries(st.sampled_from("abc"), inner), max_leaves=8
)
OBJECTS = st.dictionaries(st.sampled_from("abc"), TREES)


def pod(**spec: Any) -> dict[str, Any]:
    """A pod with one container."""
    containers = [{"name": "base", "image": "a", "env": [{"name": "A", "value": "1"}]}]
    return {"metadata": {"name": "one"}, "spec": {"containers": containers, **spec}}


@given(OBJECTS, OBJECTS)
def test_a_merge_patch_wins_and_leaves_its_inputs_alone(value: Any, patch: Any) -> None:
    before = copy.deepcopy((value, patch))
    merged = merge_patch.apply(value, patch)
    assert merge_patch.apply(merged, patch) == merged
    assert (value, patch) == before


def test_null_removes_in_a_merge_patch() -> None:
    assert merge_patch.apply({"a": 1, "b": {"c": 2}}, {"a": None, "b": {"c": None}}) == {"b": {}}


@given(OBJECTS, OBJECTS)
def test_a_strategic_patch_without_lists_is_a_merge_patch(value: Any, patch: Any) -> None:
    assert strategic.apply(SHAPE, value, patch) == merge_patch.apply(value, patch)


def test_a_strategic_patch_merges_containers_and_variables_by_name() -> None:
    patch = {
        "spec": {
            "containers": [
                {"name": "base", "env": [{"name": "B", "value": "2"}, {"name": "A", "value": "9"}]},
                {"name": "side", "image": "b"},
            ]
        }
    }
    value = pod()
    before = copy.deepcopy(value)
    base, side = strategic.apply(SHAPE, value, patch)["spec"]["containers"]
    assert base["image"] == "a"
    assert base["env"] == [{"name": "A", "value": "9"}, {"name": "B", "value": "2"}]
    assert side == {"name": "side", "image": "b"}
    assert value == before


@pytest.mark.parametrize(
    ("patch", "expected"),
    [
        ({"containers": [{"$patch": "delete", "name": "base"}]}, {"containers": []}),
        (
            {"containers": [{"$patch": "replace"}, {"name": "x", "image": "y"}]},
            {"containers": [{"name": "x", "image": "y"}]},
        ),
        ({"$patch": "replace", "hostNetwork": True}, {"hostNetwork": True}),
    ],
)
def test_directives_of_a_strategic_patch(patch: Any, expected: Any) -> None:
    assert strategic.apply(SHAPE, pod(), {"spec": patch})["spec"] == expected


def test_finalizers_are_merged_and_deleted_one_by_one() -> None:
    value = {"metadata": {"finalizers": ["a/b", "c/d"]}}
    added = strategic.apply(SHAPE, value, {"metadata": {"finalizers": ["e/f"]}})
    assert added["metadata"]["finalizers"] == ["a/b", "c/d", "e/f"]
    removal = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a/b"]}}
    assert strategic.apply(SHAPE, value, removal)["metadata"]["finalizers"] == ["c/d"]


def test_json_patch_operations() -> None:
    operations = [
        {"op": "test", "path": "/a/b~1c", "value": 1},
        {"op": "add", "path": "/list/-", "value": 3},
        {"op": "add", "path": "/list/0", "value": 0},
        {"op": "move", "from": "/a/b~1c", "path": "/d"},
        {"op": "copy", "from": "/d", "path": "/e"},
        {"op": "remove", "path": "/a"},
        {"op": "replace", "path": "/d", "value": 9},
    ]
    value = {"a": {"b/c": 1}, "list": [1, 2]}
    assert json_patch.apply(value, operations) == {"list": [0, 1, 2, 3], "d": 9, "e": 1}
    assert value == {"a": {"b/c": 1}, "list": [1, 2]}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/a", "value": 2},
        {"op": "remove", "path": "/b"},
        {"op": "replace", "path": "/b", "value": 1},
        {"op": "add", "path": "a", "value": 1},
        {"op": "jump", "path": "/a"},
        {"path": "/a"},
    ],
)
def test_a_json_patch_that_cannot_be_applied_is_refused(operation: Any) -> None:
    with pytest.raises(errors.Invalid):
        json_patch.apply({"a": 1}, [operation])


def applied(labels: dict[str, str], manager: str = "me", *, force: bool = False) -> Applied:
    """A configuration of labels."""
    return Applied({"apiVersion": "v1", "metadata": {"labels": labels}}, manager, force)


def test_apply_removes_what_the_same_manager_no_longer_applies() -> None:
    first = apply_patch.apply(SHAPE, pod(), applied({"a": "1", "b": "2"}))
    first["metadata"]["labels"]["other"] = "x"
    second = apply_patch.apply(SHAPE, first, applied({"a": "9"}))
    assert second["metadata"]["labels"] == {"a": "9", "other": "x"}


def test_apply_keeps_what_another_manager_applies_too() -> None:
    first = apply_patch.apply(SHAPE, pod(), applied({"a": "1"}))
    both = apply_patch.apply(SHAPE, first, applied({"a": "1"}, "you"))
    assert apply_patch.apply(SHAPE, both, applied({}))["metadata"]["labels"] == {"a": "1"}


def test_apply_conflicts_until_it_is_forced() -> None:
    first = apply_patch.apply(SHAPE, pod(), applied({"a": "1"}, "you"))
    with pytest.raises(
        errors.Conflict, match=r'conflict with "you" using v1: \.metadata\.labels\.a'
    ):
        apply_patch.apply(SHAPE, first, applied({"a": "2"}))
    forced = apply_patch.apply(SHAPE, first, applied({"a": "2"}, force=True))
    assert forced["metadata"]["labels"] == {"a": "2"}
    assert [one["manager"] for one in forced["metadata"]["managedFields"]] == ["me"]


def test_apply_merges_containers_by_name() -> None:
    config = {"spec": {"containers": [{"name": "base", "env": [{"name": "B", "value": "2"}]}]}}
    after = apply_patch.apply(SHAPE, pod(), Applied(config, "me"))
    names = [one["name"] for one in after["spec"]["containers"][0]["env"]]
    assert names == ["A", "B"]
    dropped = apply_patch.apply(
        SHAPE, after, Applied({"spec": {"containers": [{"name": "base"}]}}, "me")
    )
    assert [one["name"] for one in dropped["spec"]["containers"][0]["env"]] == ["A"]
