"""What the container prints that hands a result over, and what is read from that."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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
    script = sidecar._SCRIPT.partition("finish()")[0].replace(FOLDER, str(folder)) + "hand_over"
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


@contextmanager
def running(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The whole script, ready to be told to end."""
    script = sidecar._SCRIPT.replace(FOLDER, str(folder))
    with subprocess.Popen(
        ["sh", "-c", script], stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        wait_for(folder / ".podlift.ready")
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):  # nothing of it is left
                os.killpg(process.pid, signal.SIGKILL)


def wait_for(file: Path) -> None:
    until = time.monotonic() + 30
    while not file.exists():
        assert time.monotonic() < until
        time.sleep(0.01)


def hurry(folder: Path) -> None:
    """What the hook does."""
    command = ["sh", "-c", sidecar._HURRY.replace(FOLDER, str(folder))]
    subprocess.run(command, timeout=30, check=True)


def test_it_hands_over_when_it_is_told_to_end(tmp_path: Path) -> None:
    with running(tmp_path) as process:
        (tmp_path / "return.json").write_bytes(b"[1]")
        process.terminate()
        assert unpack(process.communicate(timeout=30)[0]) == b"[1]"
        assert process.returncode == 0


def test_it_hands_over_once_though_its_turn_to_end_comes_later(tmp_path: Path) -> None:
    with running(tmp_path) as process:
        (tmp_path / "return.json").write_bytes(b"[1]")
        hurry(tmp_path)
        wait_for(tmp_path / ".podlift.gz")
        process.terminate()
        assert unpack(process.communicate(timeout=30)[0]) == b"[1]"
        assert process.returncode == 0
    hurry(tmp_path)  # waits for nobody


def test_where_no_pipe_can_be_made_the_signal_alone_counts(tmp_path: Path) -> None:
    (tmp_path / ".podlift.go").mkdir()
    with running(tmp_path) as process:
        hurry(tmp_path)
        process.terminate()
        assert unpack(process.communicate(timeout=30)[0]) is None
