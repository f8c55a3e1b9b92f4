"""Template files: read once, and again when they change."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from podlift.executor.archive import LogFolder
from podlift.executor.errors import TemplateError
from podlift.executor.templates import BUILT_IN, TemplateFiles


def write(file: Path, text: str, moment: int) -> None:
    file.write_text(text)
    os.utime(file, (moment, moment))


def test_a_file_is_read_again_only_when_it_changes(tmp_path: Path) -> None:
    file, files = tmp_path / "pod.yaml", TemplateFiles()
    write(file, "kind: Pod\nmetadata: {labels: {a: b}}\n", 1)
    first = files.load(str(file))
    assert files.load(str(file)) is first
    write(file, "kind: Pod\n", 2)
    assert files.load(str(file)) == {"kind": "Pod"}


def test_without_a_file_there_is_a_template() -> None:
    assert TemplateFiles().load(None) is BUILT_IN


@pytest.mark.parametrize(
    ("text", "words"),
    [("kind: [", "not YAML"), ("- a\n", "kind Pod"), ("kind: Job\n", "kind Pod"), ("", "kind Pod")],
)
def test_what_is_not_a_pod_is_named(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "pod.yaml"
    file.write_text(text)
    with pytest.raises(TemplateError) as caught:
        TemplateFiles().load(str(file))
    assert str(file) in str(caught.value)
    assert words in str(caught.value)


def test_a_log_path_cannot_lead_out_of_the_folder(tmp_path: Path) -> None:
    # An adopted pod's annotations may have been changed by whoever may change pods.
    folder = LogFolder(tmp_path)
    assert folder.path("dag_id=a/x.log") == (tmp_path / "dag_id=a" / "x.log").resolve()
    assert folder.path("../x.log") is None
    assert folder.path("/etc/passwd") is None
