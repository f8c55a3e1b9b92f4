"""The files that kept logs are in."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from podlift.executor.archive import (
    Draft,
    LogFolder,
    add_to_index,
    index_name,
    kept_file,
    listed,
)

LINES = st.lists(st.integers(0, 60).map(lambda n: b"x" * n + b"\n"), max_size=60)
CUTS = st.lists(st.integers(1, 80), max_size=60)


def written(folder: Path, pieces: list[bytes], limit: int, ending: bytes = b"") -> bytes:
    draft = Draft(folder / "a" / "kept.log", LogFolder(folder), limit)
    for piece in pieces:
        draft.write(piece)
    draft.finish(ending)
    assert [file.name for file in (folder / "a").iterdir()] == ["kept.log"]
    return (folder / "a" / "kept.log").read_bytes()


def in_pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    pieces = []
    for cut in cuts:
        pieces.append(data[:cut])
        data = data[cut:]
    return [*pieces, data]


@example(lines=[b"x" * 38 + b"\n", *[b"\n"] * 4, b"x" * 17 + b"\n"], cuts=[], limit=84)
@given(lines=LINES, cuts=CUTS, limit=st.integers(64, 1024))
def test_of_a_long_log_head_and_tail_are_kept_and_what_is_missing_is_said(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], cuts: list[int], limit: int
) -> None:
    whole = b"".join(b"%03d " % number + line for number, line in enumerate(lines))
    kept = written(tmp_path_factory.mktemp("log"), in_pieces(whole, cuts), limit)
    if len(whole) <= limit:
        assert kept == whole
        return
    first = whole[: limit // 2]
    first = first[: first.rfind(b"\n") + 1] or first
    head, mark, tail = re.split(rb"(\{.*\}\n)", kept, maxsplit=1)
    assert head == (first if first.endswith(b"\n") else first + b"\n")
    assert whole.endswith(tail)
    assert re.match(rb"\d{3} |$", tail)
    assert len(first) + len(tail) <= limit
    left_out = f"[{len(whole) - len(first) - len(tail):,} bytes"
    assert left_out in json.loads(mark)["event"]


def test_a_line_longer_than_the_limit_is_cut(tmp_path: Path) -> None:
    kept = written(tmp_path, [b"a" * 500, b"z" * 500 + b"\n"], 200)
    head, mark = kept.splitlines()
    assert head == b"a" * 100
    assert b"901 bytes are left out" in mark  # the tail has no beginning of a line


def test_an_ending_begins_on_a_line_of_its_own_whatever_the_limit(tmp_path: Path) -> None:
    assert written(tmp_path, [b"no newline"], 10, b"the end\n") == b"no newline\nthe end\n"


def test_a_draft_that_is_abandoned_leaves_nothing_and_can_be_begun_again(tmp_path: Path) -> None:
    draft = Draft(tmp_path / "kept.log", LogFolder(tmp_path), 10)
    draft.write(b"a" * 100)
    draft.abandon()
    assert list(tmp_path.iterdir()) == []
    assert draft.is_empty
    draft.write(b"again\n")
    draft.finish()
    assert (tmp_path / "kept.log").read_bytes() == b"again\n"


def test_a_log_that_is_kept_twice_is_there_once(tmp_path: Path) -> None:
    file = tmp_path / "attempt=1.log"
    folder = LogFolder(tmp_path)
    for _ in range(2):
        for pod in ("pod-1", "pod-2"):
            target = kept_file(file, pod, "0123456789")
            draft = Draft(target, folder, 100)
            draft.finish(b"end\n")
            add_to_index(file, target.name, folder)
    index = (tmp_path / index_name("attempt=1.log")).read_text()
    assert listed(index, "attempt=1.log") == [
        "attempt=1.log.pod-1.01234567.log",
        "attempt=1.log.pod-2.01234567.log",
    ]
    assert index.count("\n") == 2


def test_an_index_leads_to_no_other_file() -> None:
    index = "attempt=1.log.a.log\n../../etc/passwd\nattempt=1.log/../../x\nother.log\n\n"
    assert listed(index, "attempt=1.log") == ["attempt=1.log.a.log"]


def test_airflow_does_not_take_an_index_or_a_draft_for_a_log(tmp_path: Path) -> None:
    file = tmp_path / "attempt=1.log"
    draft = Draft(kept_file(file, "pod", "1"), LogFolder(tmp_path), 10)
    draft.write(b"x" * 100)
    add_to_index(file, "attempt=1.log.x.log", LogFolder(tmp_path))
    assert list(tmp_path.iterdir())
    assert list(tmp_path.glob("attempt=1.log*")) == []
    draft.abandon()


@pytest.mark.parametrize("path", ["../outside.log", "/etc/passwd", "a/../../outside.log"])
def test_a_path_that_leads_out_of_the_folder_is_none(tmp_path: Path, path: str) -> None:
    assert LogFolder(tmp_path).path(path) is None
    assert LogFolder(tmp_path).place(path) is None


def test_a_link_does_not_lead_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    folder = LogFolder(tmp_path / "logs")
    folder.base.mkdir()
    (folder.base / "dag_id=x").symlink_to(tmp_path / "outside")
    file = folder.place("dag_id=x/attempt=1.log")
    assert file is not None
    with pytest.raises(OSError, match="lead out"):
        folder.has(file)
