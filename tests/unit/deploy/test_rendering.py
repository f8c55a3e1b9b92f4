"""The chart's README tells of every value."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from deploy.rendering import CHART, Value, readme, values

TEXT = """\
# What comes first.
# -- How many
# there are.
replicas: 1

scheduler:
  # -- Whether it is on.
  enabled: true
  resources: {limits: {memory: 1Gi}}
triggerer:
  enabled: false
"""


def test_a_value_is_told_by_the_comment_above_it() -> None:
    assert next(values(TEXT)) == Value("replicas", "1", "How many there are.")


def test_a_value_that_says_nothing_is_told_as_where_it_comes_first() -> None:
    told = {value.path: value.meaning for value in values(TEXT)}
    assert told["triggerer.enabled"] == "Whether it is on."


def test_some_mappings_are_one_value() -> None:
    found = {value.path: value.default for value in values(TEXT)}
    assert json.loads(found["scheduler.resources"]) == {"limits": {"memory": "1Gi"}}


def test_a_readme_without_a_place_for_values_is_refused() -> None:
    with pytest.raises(ValueError, match="has lost the line"):
        readme("# podlift\n")


def test_the_readme_is_current() -> None:
    text = (CHART / "README.md").read_text()
    assert readme(text) == text, "deploy/helm/podlift/README.md is not current: make manifests"


def test_every_value_is_explained() -> None:
    found = list(values((CHART / "values.yaml").read_text()))
    assert [value.path for value in found if not value.meaning] == []


def test_the_schema_knows_every_value_and_no_other() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    defaults = yaml.safe_load((CHART / "values.yaml").read_text())
    told = {name for name, each in schema["properties"].items() if "description" not in each}
    assert told == defaults.keys()
    assert list(_strangers(schema, schema, defaults, "")) == []


def _strangers(schema: Any, root: Any, value: Any, path: str) -> Any:
    """Where the schema lets keys in that values.yaml does not have."""
    if "$ref" in schema:
        return
    if schema.get("type") == "object" and schema.get("additionalProperties") is False:
        for name, inner in schema["properties"].items():
            if "description" in inner:
                continue
            if name not in value:
                yield f"{path}.{name}"
            else:
                yield from _strangers(inner, root, value[name], f"{path}.{name}")
    elif isinstance(value, dict) and value:
        yield path
