"""Where each line of a pod came from."""

from __future__ import annotations

import yaml
from hypothesis import given
from hypothesis import strategies as st

from podlift.commands.provenance import Layers, annotated, base_name

TEMPLATE = {
    "spec": {
        "containers": [{"name": "base", "image": "i:1", "env": [{"name": "A", "value": "1"}]}],
        "tolerations": [{"key": "spot", "operator": "Exists"}],
    }
}
OVERRIDE = {"spec": {"containers": [{"name": "base", "env": [{"name": "B", "value": "2"}]}]}}
POD = {
    "metadata": {"name": "p", "namespace": "tasks"},
    "spec": {
        "containers": [
            {
                "name": "base",
                "image": "i:1",
                "env": [
                    {"name": "A", "value": "1"},
                    {"name": "C", "value": "3"},
                    {"name": "B", "value": "2"},
                ],
            }
        ],
        "tolerations": [{"key": "spot", "operator": "Exists"}],
    },
}


def test_every_layer_is_named_but_the_template() -> None:
    layers = Layers(TEMPLATE, OVERRIDE, {("metadata", "namespace"): "namespace"})
    lines = [line.strip() for line in annotated(POD, layers.source_of).splitlines()]
    assert "name: p  # Podlift" in lines
    assert "namespace: tasks  # option namespace" in lines
    assert "image: i:1" in lines
    assert "value: '1'" in lines
    assert "value: '2'  # pod_override" in lines
    assert "value: '3'  # Podlift" in lines
    assert "operator: Exists" in lines


# Without the line breaks of Unicode, which PyYAML itself does not give back as they were.
TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Zl", "Zp"])
    | st.sampled_from("\n\t"),
    max_size=40,
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(TEXT, VALUES, max_size=3))
def test_remarks_change_nothing_of_the_manifest(manifest: dict[str, object]) -> None:
    text = annotated(manifest, lambda path, value: "remark")
    assert yaml.safe_load(text) == manifest


def test_the_first_container_is_taken_for_base_where_none_is_called_so() -> None:
    assert base_name(TEMPLATE) == "base"
    assert base_name({"spec": {"containers": [{"name": "a"}, {"name": "b"}]}}) == "a"
    assert base_name({}) == "base"
