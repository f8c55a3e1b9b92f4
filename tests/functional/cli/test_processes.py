"""Child processes: noticed when they die, and never left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import textwrap
from pathlib import Path

import pytest

from podlift.cli.processes import Child, Command, first_death

pytestmark = pytest.mark.functional


def python(program: str, log: Path, name: str = "a child") -> Command:
    return Command(name, [sys.executable, "-c", textwrap.dedent(program)], dict(os.environ), log)


async def gone(pid: int, seconds: float = 5.0) -> bool:
    """Whether the process ends (or is a zombie that somebody else will collect) in time."""
    async with asyncio.timeout(seconds):
        while True:
            try:
                status = Path(f"/proc/{pid}/stat").read_text()
            except (FileNotFoundError, ProcessLookupError):
                return True
            if status.rpartition(")")[2].split()[0] == "Z":
                return True
            await asyncio.sleep(0.02)


async def logged(log: Path, count: int = 1) -> list[str]:
    """Wait until that many lines are in the log."""
    async with asyncio.timeout(10):
        while True:
            lines = log.read_text().splitlines()
            if len(lines) >= count:
                return lines
            await asyncio.sleep(0.02)


async def test_a_death_is_told_with_the_end_of_the_log(tmp_path: Path) -> None:
    lives = await Child.start(
        python("import time; time.sleep(60)", tmp_path / "a", "the quiet one")
    )
    dies = await Child.start(python("print('why'); raise SystemExit(7)", tmp_path / "b", "It"))
    error = await first_death([lives, dies])
    await lives.stop(grace=1)
    assert error.message.startswith("It ended by itself (exit code 7)")
    assert error.details == ("why",)


async def test_a_signal_is_named(tmp_path: Path) -> None:
    child = await Child.start(python("import os; os.kill(os.getpid(), 9)", tmp_path / "log", "It"))
    assert "killed by SIGKILL" in (await first_death([child])).message


async def test_a_child_that_will_not_listen_is_killed_with_its_children(tmp_path: Path) -> None:
    stubborn = """
        import os, signal, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        child = os.fork()
        if child:
            print(child, flush=True)
        time.sleep(60)
    """
    child = await Child.start(python(stubborn, tmp_path / "log"))
    (grandchild,) = await logged(tmp_path / "log")
    await child.stop(grace=0.2)
    assert await child.ended() == -signal.SIGKILL
    assert await gone(int(grandchild))


async def test_what_a_child_leaves_behind_ends_with_it(tmp_path: Path) -> None:
    careless = """
        import os, time
        child = os.fork()
        if child:
            print(child, flush=True)
        else:
            time.sleep(60)
    """
    child = await Child.start(python(careless, tmp_path / "log"))
    await child.ended()
    (grandchild,) = await logged(tmp_path / "log")
    await child.stop(grace=1)
    assert await gone(int(grandchild))


async def test_a_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    parent = """
        import asyncio, os, sys
        from pathlib import Path
        from podlift.cli.processes import Child, Command
        async def main():
            arguments = [sys.executable, "-c", "import time; time.sleep(60)"]
            child = await Child.start(Command("x", arguments, dict(os.environ), Path(os.devnull)))
            print(child.pid, flush=True)
            await asyncio.sleep(60)
        asyncio.run(main())
    """
    child = await Child.start(python(parent, tmp_path / "log"))
    (grandchild,) = await logged(tmp_path / "log")
    os.kill(child.pid, signal.SIGKILL)
    assert await gone(int(grandchild))
    await child.stop(grace=1)
