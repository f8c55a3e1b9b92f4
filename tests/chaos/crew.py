"""The schedulers of a run: started, killed, stopped for a while, and replaced."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos.plans import Blow, Strike

ROOT = Path(__file__).resolve().parents[2]
_ENDING = 20.0
_MOST_FAILURES = 10
_HELD = ("slots", "running", "census")


class Life:
    """One scheduler's process."""

    def __init__(self, journal: Path) -> None:
        self.journal = journal
        self.born: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.dead: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def send(self, number: signal.Signals) -> None:
        """Send it a signal, unless it has ended."""
        pid = await self.born
        if not self.dead.done():
            os.kill(pid, number)


class Nursery:
    """The process that forks schedulers, and hears of their ends."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._lives: dict[Path, Life] = {}
        self._by_pid: dict[int, Life] = {}

    async def open(self) -> None:
        """Start it."""
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.chaos.scheduler"),
            cwd=ROOT,
            env=dict(self._environment),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        self._listening = asyncio.create_task(self._listen())

    async def close(self) -> None:
        """End it; its schedulers have ended before."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()
        await self._listening

    def give_birth(self, journal: Path) -> Life:
        """A new scheduler that writes this journal."""
        assert self._process.stdin is not None
        journal.touch()
        self._lives[journal] = life = Life(journal)
        self._process.stdin.write(f"{journal}\n".encode())
        return life

    async def _listen(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            match line.decode().split():
                case ["born", pid, journal]:
                    life = self._by_pid[int(pid)] = self._lives[Path(journal)]
                    life.born.set_result(int(pid))
                case ["dead", pid, code]:
                    self._by_pid[int(pid)].dead.set_result(int(code))


@dataclass
class Crew:
    """As many schedulers as there are slots. Each process, one life, has a journal of its own."""

    folder: Path
    environment: Mapping[str, str]
    slots: int
    blows: Counter[Blow] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    """Schedulers that ended though nobody killed them."""

    def __post_init__(self) -> None:
        self.folder.mkdir()
        self._nursery = Nursery(self.environment)
        self._lives: list[Life] = []
        self._newest: dict[int, Life] = {}
        self._struck: set[int] = set()

    async def start(self) -> None:
        """Start all of them."""
        await self._nursery.open()
        for slot in range(self.slots):
            self._start(slot)

    def _start(self, slot: int) -> None:
        journal = self.folder / f"scheduler-{len(self._lives) + 1}.jsonl"
        self._newest[slot] = life = self._nursery.give_birth(journal)
        self._lives.append(life)

    def is_at_work(self, slot: int) -> bool:
        """Whether the scheduler of this slot has begun to schedule."""
        return _last_status(self._newest[slot]) is not None

    async def strike(self, strike: Strike) -> None:
        """Do it, and see to it that afterwards the scheduler runs again."""
        life = self._newest[strike.slot]
        if life.dead.done():
            self._replace(strike.slot)
            return
        self.blows[strike.blow] += 1
        self._struck.add(strike.slot)
        try:
            await self._carry_out(strike, life)
        finally:
            self._struck.discard(strike.slot)

    async def _carry_out(self, strike: Strike, life: Life) -> None:
        if strike.blow is Blow.KILL:
            await life.send(signal.SIGKILL)
            try:
                await asyncio.shield(life.dead)
                await asyncio.sleep(strike.lasting / 2)
            finally:
                self._start(strike.slot)
        else:
            await life.send(signal.SIGSTOP)
            try:
                await asyncio.sleep(strike.lasting)
            finally:
                await life.send(signal.SIGCONT)

    def _replace(self, slot: int) -> None:
        life = self._newest[slot]
        text = life.journal.with_suffix(".log").read_text(errors="replace")[-3000:]
        what = f"{life.journal.stem} ended by itself with {life.dead.result()}"
        self.failures.append(f"{what}:\n{text}")
        if len(self.failures) > _MOST_FAILURES:
            raise RuntimeError(f"Schedulers do not stay alive. {self.failures[-1]}")
        self._start(slot)

    def look_after(self) -> None:
        """Replace schedulers that ended by themselves; they count as failures."""
        for slot, life in list(self._newest.items()):
            if life.dead.done() and slot not in self._struck:
                self._replace(slot)

    async def stop(self) -> None:
        """Ask all of them to end; those that do not are killed, and count as failures."""
        for life in self._lives:
            await life.send(signal.SIGTERM)
        for life in self._lives:
            try:
                await asyncio.wait_for(asyncio.shield(life.dead), _ENDING)
            except TimeoutError:
                self.failures.append(f"{life.journal.stem} did not end within {_ENDING} s")
                await life.send(signal.SIGKILL)
                await life.dead
        await self._nursery.close()

    def lives(self) -> list[list[dict[str, Any]]]:
        """What every scheduler wrote, one list for each life."""
        return [_lines(life.journal) for life in self._lives]

    def at_rest(self) -> bool:
        """Whether every scheduler that runs has said that it holds nothing."""
        return all(self._rests(life) for life in self._newest.values())

    def _rests(self, life: Life) -> bool:
        status = _last_status(life)
        return status is not None and not any(status[each] for each in _HELD)

    def last_statuses(self) -> list[dict[str, Any]]:
        """The last status of every scheduler that runs."""
        nothing: dict[str, Any] = {"slots": None, "running": [], "census": {}}
        return [_last_status(life) or nothing for life in self._newest.values()]


def _last_status(life: Life) -> dict[str, Any] | None:
    found = (line for line in reversed(_lines(life.journal)) if line["what"] == "status")
    return next(found, None)


def _lines(journal: Path) -> list[dict[str, Any]]:
    whole, _, _ = journal.read_bytes().rpartition(b"\n")
    return [json.loads(line) for line in whole.splitlines()]
