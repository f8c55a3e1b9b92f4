"""Airflow's providers manager gets what its schema demands."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import airflow
import jsonschema  # type: ignore[import-untyped]
import pytest

from podlift.provider import get_provider_info
from podlift.settings import SECTION, options


def test_the_metadata_is_valid() -> None:
    schema = json.loads((Path(airflow.__file__).parent / "provider_info.schema.json").read_text())
    jsonschema.validate(get_provider_info(), schema)


def test_every_option_is_announced_without_a_default_that_would_look_like_a_setting() -> None:
    announced = get_provider_info()["config"][SECTION]["options"]
    assert list(announced) == [option.name for option in options()]
    assert {option["default"] for option in announced.values()} == {None}


@pytest.mark.parametrize("kind", ["executors", "cli"])
def test_what_is_announced_is_there(kind: str) -> None:
    [path] = get_provider_info()[kind]
    module, name = path.rsplit(".", 1)
    assert getattr(importlib.import_module(module), name).__name__ == name


def test_the_airflow_command_starts_without_a_warning_about_us() -> None:
    command = [sys.executable, "-m", "airflow", "version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "podlift" not in done.stdout + done.stderr


def test_airflow_finds_the_provider() -> None:
    found = entry_points(group="apache_airflow_provider")
    assert "podlift.provider:get_provider_info" in [each.value for each in found]
