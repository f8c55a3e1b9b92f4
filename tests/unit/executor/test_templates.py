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


async def test_a_file_is_read_again_only_when_it_changes(tmp_path: Path) -> None:
    now = 0.0
    file, files = tmp_path / "pod.yaml", TemplateFiles(lambda: now)
    write(file, "kind: Pod\nmetadata: {labels: {a: b}}\n", 1)
    first = await files.load(str(file))
    now = 5.0
    assert await files.load(str(file)) is first
    write(file, "kind: Pod\n", 2)
    now = 6.0
    assert await files.load(str(file)) == {"kind": "Pod"}


async def test_the_disk_is_looked_at_once_a_second_at_most(tmp_path: Path) -> None:
    now = 0.0
    file, files = tmp_path / "pod.yaml", TemplateFiles(lambda: now)
    write(file, "kind: Pod\n", 1)
    first = await files.load(str(file))
    file.unlink()
    now = 0.9
    assert await files.load(str(file)) is first
    now = 1.0
    with pytest.raises(TemplateError, match=r"pod\.yaml cannot be read"):
        await files.load(str(file))


async def test_without_a_file_there_is_a_template() -> None:
    assert await TemplateFiles().load(None) is BUILT_IN


@pytest.mark.parametrize(
    ("text", "words"),
    [("kind: [", "not YAML"), ("- a\n", "kind Pod"), ("kind: Job\n", "kind Pod"), ("", "kind Pod")],
)
async def test_what_is_not_a_pod_is_named(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "pod.yaml"
    file.write_text(text)
    with pytest.raises(TemplateError) as caught:
        await TemplateFiles().load(str(file))
    assert str(file) in str(caught.value)
    assert words in str(caught.value)


async def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    file = tmp_path / "pod.yaml"
    file.write_bytes(b"\xff\xfe kind: Pod")
    with pytest.raises(TemplateError, match=r"pod\.yaml is not YAML"):
        await TemplateFiles().load(str(file))


def test_a_log_path_cannot_lead_out_of_the_folder(tmp_path: Path) -> None:
    # An adopted pod's annotations may have been changed by whoever may change pods.
    folder = LogFolder(tmp_path)
    assert folder.path("dag_id=a/x.log") == (tmp_path / "dag_id=a" / "x.log").resolve()
    assert folder.path("../x.log") is None
    assert folder.path("/etc/passwd") is None
