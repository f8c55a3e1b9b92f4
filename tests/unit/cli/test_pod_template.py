"""The pod template that podlift hands to its executor."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import yaml

from podlift.cli.errors import BadOption
from podlift.cli.home import Home
from podlift.cli.pod_template import (
    local_template,
    real_template,
    with_user_template,
    write_template,
)


def test_a_local_task_runs_with_this_interpreter_and_this_airflow() -> None:
    template = local_template(Home(Path("/h")), Path("/k"), {"PATH": "/bin", "SECRET": "x"})
    (container,) = template["spec"]["containers"]
    assert container["command"] == [sys.executable, "-m", "podlift.worker"]
    environment = {each["name"]: each["value"] for each in container["env"]}
    assert environment == {"PATH": "/bin", "AIRFLOW_HOME": "/h/airflow", "KUBECONFIG": "/k"}


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    template = real_template("registry.example/airflow:1")
    write_template(template, tmp_path / "pod.yaml")
    assert yaml.safe_load((tmp_path / "pod.yaml").read_text()) == template


def test_the_users_template_is_merged_by_container_name(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("kind: Pod\nspec: {containers: [{name: base, env: [{name: A, value: b}]}]}\n")
    merged = with_user_template(real_template("image:1"), file)
    (container,) = merged["spec"]["containers"]
    assert container["image"] == "image:1"
    assert container["env"] == [{"name": "A", "value": "b"}]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [", "is not YAML: .* line 1"),
        ("kind: Job", "is not a pod"),
        ("- 1", "is not a pod"),
        ("kind: Pod\nspec: {containers: [{image: x}]}", "cannot be used: .*name"),
        ("kind: Pod\nmetadata: {$patch: explode}", "cannot be used: .*explode"),
    ],
)
def test_what_is_not_a_pod_is_refused_in_words(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(BadOption, match=says):
        with_user_template(real_template("image:1"), file)


def test_a_file_that_is_not_there_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(BadOption, match="cannot be read"):
        with_user_template(real_template("image:1"), tmp_path / "missing.yaml")
