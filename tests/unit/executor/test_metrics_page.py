"""The documented names of metrics are the ones that are reported."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from podlift.executor import metrics
from podlift.executor.census import REASONS
from podlift.executor.state import State

PAGE = (Path(__file__).parents[3] / "docs" / "metrics.md").read_text()


def test_every_name_is_in_the_documentation() -> None:
    names = re.findall(r'_(?:count|time|level)\(f?"([^"]+)"', inspect.getsource(metrics))
    assert len(names) > 15
    plain = [name for name in names if "{" not in name]
    assert [name for name in plain if f"`podlift.{name}`" not in PAGE] == []
    with_parts = {re.sub(r"\{.*\}", "<", name) for name in names if "{" in name}
    assert [name for name in with_parts if f"`podlift.{name}" not in PAGE] == []


def test_every_documented_name_is_reported() -> None:
    source = inspect.getsource(metrics)
    documented = re.findall(r"^\| `podlift\.([a-z_.]+)", PAGE, re.MULTILINE)
    assert [name for name in documented if f'"{name}' not in source] == []


def test_every_reason_and_state_is_in_the_documentation() -> None:
    states = [state.value.replace(" ", "_") for state in State if state is not State.GONE]
    assert [word for word in (*REASONS, *states) if f"`{word}`" not in PAGE] == []
