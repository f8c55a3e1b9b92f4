"""Airflow's providers manager gets what its schema demands."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import airflow
import jsonschema

from podlift.provider import get_provider_info
from podlift.settings import SECTION, options


def test_the_metadata_is_valid() -> None:
    schema = json.loads((Path(airflow.__file__).parent / "provider_info.schema.json").read_text())
    jsonschema.validate(get_provider_info(), schema)


def test_every_option_is_announced_without_a_default_that_would_look_like_a_setting() -> None:
    announced = get_provider_info()["config"][SECTION]["options"]
    assert list(announced) == [option.name for option in options()]
    assert {option["default"] for option in announced.values()} == {None}


def test_what_is_announced_is_there() -> None:
    info = get_provider_info()
    paths = [*info["executors"], *info["cli"], *info["secrets-backends"]]
    paths += [each["class-name"] for each in info["task-decorators"]]
    paths += [each["hook-class-name"] for each in info["connection-types"]]
    for path in paths:
        module, name = path.rsplit(".", 1)
        assert getattr(importlib.import_module(module), name).__name__ == name


def test_every_operator_and_trigger_is_announced() -> None:
    info = get_provider_info()
    for kind, ending in (("operators", "Operator"), ("triggers", "Trigger")):
        announced = [name for each in info[kind] for name in each["python-modules"]]
        found = {member for name in announced for member in vars(importlib.import_module(name))}
        there = {name for name in _public_classes(f"podlift.{kind}") if name.endswith(ending)}
        assert there
        assert there <= found


def _public_classes(package: str) -> Iterator[str]:
    """The public classes that the modules of a package define."""
    for each in pkgutil.iter_modules(importlib.import_module(package).__path__):
        module = importlib.import_module(f"{package}.{each.name}")
        for name, member in inspect.getmembers(module, inspect.isclass):
            if member.__module__ == module.__name__ and not name.startswith("_"):
                yield name


def test_airflow_shows_the_form_of_a_connection_without_importing_the_hook() -> None:
    code = (
        "from airflow.providers_manager import ProvidersManager as M; import sys;"
        "m = M(); print(m.hooks['kubernetes'].hook_class_name, *m.connection_form_widgets,"
        "'podlift.kube' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    hook, *fields, imported = done.stdout.splitlines()[-1].split()
    assert hook == "podlift.hooks.kubernetes.KubernetesHook"
    assert "extra__kubernetes__kube_config_path" in fields
    assert imported == "False"


def test_the_airflow_command_starts_without_a_warning_about_us() -> None:
    command = [sys.executable, "-m", "airflow", "version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "podlift" not in done.stdout + done.stderr


def test_airflow_finds_the_provider() -> None:
    found = entry_points(group="apache_airflow_provider")
    assert "podlift.provider:get_provider_info" in [each.value for each in found]
