"""What the container prints that hands a result over, and what is read from that."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from podlift.runs import sidecar
from podlift.runs.errors import ResultNotRead
from podlift.runs.sidecar import FOLDER, is_whole, unpack

pytestmark = pytest.mark.functional


def handed_over(folder: Path, content: bytes | None) -> bytes:
    """What the sidecar's script prints, run by this machine's shell."""
    file = folder / "return.json"
    if content is not None:
        file.write_bytes(content)
    script = sidecar._SCRIPT.partition("trap ")[0].replace(FOLDER, str(folder)) + "hand_over"
    done = subprocess.run(["sh", "-c", script], capture_output=True, timeout=60, check=True)
    return done.stdout


@pytest.mark.parametrize("content", [b"", b"{}", b'"\xc3\xa4"\n', os.urandom(100_000)])
def test_what_it_prints_is_the_file(tmp_path: Path, content: bytes) -> None:
    log = handed_over(tmp_path, content)
    assert is_whole(log)
    assert unpack(log) == content
    assert max(map(len, log.split(b"\n"))) <= 8000


def test_a_missing_file_is_no_result(tmp_path: Path) -> None:
    assert unpack(handed_over(tmp_path, None)) is None


def test_a_folder_is_no_result(tmp_path: Path) -> None:
    (tmp_path / "return.json").mkdir()
    with pytest.raises(ResultNotRead, match="no file that the container"):
        unpack(handed_over(tmp_path, None))


def test_a_file_that_never_ends_is_no_result(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "return.json")
    with pytest.raises(ResultNotRead, match="no file that the container"):
        unpack(handed_over(tmp_path, None))


def test_a_huge_file_is_not_even_packed(tmp_path: Path) -> None:
    with (tmp_path / "return.json").open("wb") as file:
        file.truncate(300 << 20)
    with pytest.raises(ResultNotRead, match=r"holds 314,572,800 bytes, .* Write it to a volume"):
        unpack(handed_over(tmp_path, None))


def test_a_file_that_cannot_be_packed_is_told_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / ".podlift.gz").mkdir()  # as with a disk that is full
    with pytest.raises(ResultNotRead, match="could not be packed by the container"):
        unpack(handed_over(tmp_path, b"{}"))
