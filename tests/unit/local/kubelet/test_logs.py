"""Log files written and read back, against what one list of lines would give."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from podlift.local.kubelet.contract import LogOptions
from podlift.local.kubelet.logreading import read_log, tail
from podlift.local.kubelet.logs import MAX_LINE, LogWriter, log_files

TIME = re.compile(rb"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z ")


async def read(folder: Path, writer: LogWriter | None = None, **options: object) -> bytes:
    chosen = LogOptions(**options)  # type: ignore[arg-type]
    return b"".join([chunk async for chunk in read_log(folder, 0, chosen, writer)])


def written(folder: Path, *chunks: bytes, max_bytes: int = 10 << 20, max_files: int = 5) -> Path:
    writer = LogWriter(folder, 0, max_bytes=max_bytes, max_files=max_files)
    for chunk in chunks:
        writer.write(b"stdout", chunk)
    writer.close()
    return folder


async def test_bytes_come_back_as_they_were(tmp_path: Path) -> None:
    text = b"plain\n\n\xff\xfe not utf-8\rprogress\r\nlast without end"
    assert await read(written(tmp_path, text)) == text


async def test_lines_are_put_together_across_writes(tmp_path: Path) -> None:
    assert await read(written(tmp_path, b"on", b"e\ntw", b"o\n")) == b"one\ntwo\n"


async def test_a_very_long_line_is_kept_in_parts_and_read_as_one(tmp_path: Path) -> None:
    text = b"x" * (3 * MAX_LINE + 5) + b"\nnext\n"
    folder = written(tmp_path, text[: MAX_LINE + 7], text[MAX_LINE + 7 :])
    assert b" stdout P " in log_files(folder, 0)[0][1].read_bytes()
    assert await read(folder) == text
    with_times = await read(folder, timestamps=True)
    assert len(TIME.findall(with_times)) == 1
    assert with_times.count(b"Z ") == 2


async def test_times_are_distinct_and_in_order(tmp_path: Path) -> None:
    lines = (await read(written(tmp_path, b"a\n" * 1000), timestamps=True)).splitlines()
    times = [line.split(b" ")[0] for line in lines]
    assert times == sorted(set(times))
    assert all(TIME.match(line) for line in lines)


async def test_both_streams_are_in_one_log(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path, 0)
    writer.write(b"stdout", b"half ")
    writer.write(b"stderr", b"error\n")
    writer.write(b"stdout", b"line\n")
    writer.close()
    assert await read(tmp_path) == b"error\nhalf line\n"


async def test_rotation_keeps_the_newest(tmp_path: Path) -> None:
    lines = [b"line %04d\n" % number for number in range(1000)]
    folder = written(tmp_path, *lines, max_bytes=5000, max_files=3)
    assert len(log_files(folder, 0)) == 3
    text = await read(folder)
    assert b"".join(lines).endswith(text)
    assert 150 < text.count(b"\n") < 400


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    lines=st.lists(st.binary(max_size=80).map(lambda line: line.replace(b"\n", b"")), max_size=60),
    wanted=st.integers(0, 70),
    max_bytes=st.integers(100, 3000),
)
def test_tail_is_the_last_lines(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], wanted: int, max_bytes: int
) -> None:
    folder = tmp_path_factory.mktemp("log")
    written(folder, *(line + b"\n" for line in lines), max_bytes=max_bytes, max_files=1000)
    expected = b"".join(
        line + b"\n" for line in lines[len(lines) - wanted if wanted < len(lines) else 0 :]
    )
    assert asyncio.run(read(folder, tail_lines=wanted)) == expected
    assert tail(folder, 0, wanted, 10**6) == expected


async def test_tail_of_a_log_longer_than_a_chunk(tmp_path: Path) -> None:
    lines = [b"%0100d\n" % number for number in range(9000)]
    assert await read(written(tmp_path, *lines), tail_lines=5000) == b"".join(lines[-5000:])


@pytest.mark.parametrize("cut", [0, 1, 499, 500, 999])
async def test_since_begins_at_the_first_line_of_that_second(tmp_path: Path, cut: int) -> None:
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    times = [begin + timedelta(seconds=number) for number in range(1000)]
    entries = [
        time.strftime("%Y-%m-%dT%H:%M:%S.%f000Z").encode() + b" stdout F %d\n" % number
        for number, time in enumerate(times)
    ]
    (tmp_path / "0.0.log").write_bytes(b"".join(entries[:300]))
    (tmp_path / "0.1.log").write_bytes(b"".join(entries[300:]))
    moment = times[cut] + timedelta(microseconds=5)
    assert (await read(tmp_path, since_time=moment)).split()[0] == b"%d" % cut
    late = times[-1] + timedelta(seconds=1)
    assert await read(tmp_path, since_time=late) == b""


async def test_limit_cuts_bytes(tmp_path: Path) -> None:
    assert await read(written(tmp_path, b"one\ntwo\n"), limit_bytes=5) == b"one\nt"


async def test_following_sees_every_line_across_rotation(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path, 0, max_bytes=2000, max_files=100)
    follower = asyncio.create_task(read(tmp_path, writer, follow=True))
    lines = [b"line %d\n" % number for number in range(500)]
    for number, line in enumerate(lines):
        writer.write(b"stdout", line)
        if number % 7 == 0:
            await asyncio.sleep(0)
    writer.close()
    assert await asyncio.wait_for(follower, 5) == b"".join(lines)


async def test_following_waits_for_the_end(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path, 0)
    follower = asyncio.create_task(read(tmp_path, writer, follow=True))
    writer.write(b"stdout", b"half")
    for _ in range(5):
        await asyncio.sleep(0)
    assert not follower.done()
    writer.close()
    assert await asyncio.wait_for(follower, 5) == b"half"


async def test_runs_of_a_container_have_logs_of_their_own(tmp_path: Path) -> None:
    for run in (0, 1, 10):
        writer = LogWriter(tmp_path, run)
        writer.write(b"stdout", b"run %d\n" % run)
        writer.close()
    assert await read(tmp_path) == b"run 0\n"
    assert len(log_files(tmp_path, 1)) == 1
