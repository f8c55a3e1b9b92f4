"""The schedulers of a run: started, killed, stopped for a while, and replaced."""

from __future__ import annotations

import asyncio
import json
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
        self._processes: dict[int, asyncio.subprocess.Process] = {}
        self._journals: list[Path] = []
        self._newest: dict[int, Path] = {}
        self._struck: set[int] = set()

    async def start(self) -> None:
        """Start all of them."""
        for slot in range(self.slots):
            await self._start(slot)

    async def _start(self, slot: int) -> None:
        number = len(self._journals) + 1
        journal = self.folder / f"scheduler-{number}.jsonl"
        journal.touch()
        with journal.with_suffix(".log").open("wb") as log:
            self._processes[slot] = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.chaos.scheduler", str(journal)),
                cwd=ROOT,
                env=dict(self.environment),
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
            )
        self._journals.append(journal)
        self._newest[slot] = journal

    async def strike(self, strike: Strike) -> None:
        """Do it, and see to it that afterwards the scheduler runs again."""
        process = self._processes[strike.slot]
        if process.returncode is not None:
            await self._bury(strike.slot)
            return
        self.blows[strike.blow] += 1
        self._struck.add(strike.slot)
        try:
            await self._carry_out(strike, process)
        finally:
            self._struck.discard(strike.slot)

    async def _carry_out(self, strike: Strike, process: asyncio.subprocess.Process) -> None:
        if strike.blow is Blow.KILL:
            process.kill()
            try:
                await process.wait()
                await asyncio.sleep(strike.lasting / 2)
            finally:
                await self._start(strike.slot)
        else:
            process.send_signal(signal.SIGSTOP)
            try:
                await asyncio.sleep(strike.lasting)
            finally:
                process.send_signal(signal.SIGCONT)

    async def _bury(self, slot: int) -> None:
        journal, code = self._newest[slot], self._processes[slot].returncode
        text = journal.with_suffix(".log").read_text(errors="replace")[-3000:]
        self.failures.append(f"{journal.stem} ended by itself with {code}:\n{text}")
        await self._start(slot)

    async def look_after(self) -> None:
        """Replace schedulers that ended by themselves; they count as failures."""
        for slot, process in list(self._processes.items()):
            if process.returncode is not None and slot not in self._struck:
                await self._bury(slot)

    async def stop(self) -> None:
        """Ask all of them to end; those that do not are killed, and count as failures."""
        for process in self._processes.values():
            if process.returncode is None:
                process.terminate()
        for slot, process in self._processes.items():
            try:
                async with asyncio.timeout(_ENDING):
                    await process.wait()
            except TimeoutError:
                self.failures.append(f"{self._newest[slot].stem} did not end within {_ENDING} s")
                process.kill()
                await process.wait()

    def lives(self) -> list[list[dict[str, Any]]]:
        """What every scheduler wrote, one list for each life."""
        return [_lines(journal) for journal in self._journals]

    def at_rest(self) -> bool:
        """Whether every scheduler that runs has said that it holds nothing."""
        return all(self._status(journal) is True for journal in self._newest.values())

    def _status(self, journal: Path) -> bool | None:
        for line in reversed(_lines(journal)):
            if line["what"] == "status":
                return not (line["slots"] or line["running"] or line["census"])
        return None

    def last_statuses(self) -> list[dict[str, Any]]:
        """The last status of every scheduler that runs."""
        statuses = []
        for journal in self._newest.values():
            found = [line for line in _lines(journal) if line["what"] == "status"]
            statuses.append(found[-1] if found else {"slots": None, "running": [], "census": {}})
        return statuses


def _lines(journal: Path) -> list[dict[str, Any]]:
    whole, _, _ = journal.read_bytes().rpartition(b"\n")
    return [json.loads(line) for line in whole.splitlines()]
