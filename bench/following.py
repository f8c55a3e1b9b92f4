"""Measures how fast a pod's log is followed: `python -m bench.following`."""

from __future__ import annotations

import argparse
import asyncio
import resource
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from rich.console import Console
from rich.table import Table

from bench import Unmeasured
from bench.local import Figure, show
from bench.log_server import text
from bench.machine import machine_facts
from podlift.kube import Client, Connection
from podlift.kube.access import Access
from podlift.operators.calling_back import TaskListener
from podlift.runs.following import LogFollower


@dataclass(frozen=True)
class Run:
    """One reading of the whole log."""

    seconds: float
    cpu: float


class _NoLog:
    """Where the task's log would go: Airflow's own cost is not ours."""

    def info(self, event: str, /, *args: object) -> None: ...

    def warning(self, event: str, /, *args: object) -> None:
        raise Unmeasured(event % args)


@contextmanager
def _server(lines: int) -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.log_server", str(lines)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


async def _bare(url: str, lines: int) -> Run:
    """What it costs to receive the same bytes and to count their lines."""
    async with aiohttp.ClientSession(read_bufsize=2**20) as session, session.get(url) as answer:
        return await _timed(_count(answer), lines)


async def _count(answer: aiohttp.ClientResponse) -> int:
    return sum([piece.count(b"\n") async for piece in answer.content.iter_any()])


async def _follow(url: str, lines: int, line: Callable[[str], Any] | None = None) -> Run:
    """The follower, from the first byte to the last line; what it tells is checked."""
    told, wrong = 0, 0

    def tell(each: str, moment: object) -> None:
        nonlocal told, wrong
        wrong += each != text(told)
        told += 1
        if line is not None:
            line(each)
        if told == lines:
            follower.end()

    async with _client(url) as client:
        follower = LogFollower(client, "pod", "default", "base", tell, _NoLog().warning)

        async def follow() -> int:
            await follower.follow()
            return told

        run = await _timed(follow(), lines)
    if wrong:
        raise Unmeasured(f"{wrong} of {lines} lines were not the ones that they should have been")
    return run


async def _through_the_operator(url: str, lines: int) -> Run:
    async with _client(url) as client:
        listener = TaskListener(_NoLog(), client=client, prefix=True)
        return await _follow(url, lines, lambda line: listener.line("base", line))


@asynccontextmanager
async def _client(url: str) -> AsyncIterator[Client]:
    access = Access(url, "the bench")
    async with Client(Connection(access)) as client:
        yield client


async def _timed(reading: Any, lines: int) -> Run:
    began, cpu = time.monotonic(), time.process_time()
    found = await reading
    run = Run(time.monotonic() - began, time.process_time() - cpu)
    if found != lines:
        raise Unmeasured(f"{found} of {lines} lines came")
    return run


async def _measure(url: str, lines: int) -> dict[str, Run]:
    return {
        "bare reader": await _bare(url, lines),
        "follower": await _follow(url, lines),
        "follower and listener": await _through_the_operator(url, lines),
    }


def _show_runs(console: Console, rounds: list[dict[str, Run]], lines: int) -> None:
    table = Table(title=f"Following a log of {lines:,} lines")
    for heading in ("reader", "lines/s", "CPU µs a line", "times the bare reader"):
        table.add_column(heading, justify="left" if heading == "reader" else "right")
    for runs in rounds:
        bare = runs["bare reader"].seconds
        for name, run in runs.items():
            table.add_row(
                name,
                f"{lines / run.seconds:,.0f}",
                f"{run.cpu / lines * 1e6:.2f}",
                f"{run.seconds / bare:.1f}",
            )
    console.print(table)


def main() -> int:
    """Measures, shows, and says by the exit code whether the goal is met."""
    parser = argparse.ArgumentParser(prog="python -m bench.following", description=__doc__)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    console, facts, lines = Console(), machine_facts(), arguments.lines
    try:
        with _server(lines) as url:
            rounds = [asyncio.run(_measure(url, lines)) for _ in range(arguments.rounds)]
    except Unmeasured as error:
        console.print(f"[red]Not measured:[/] {error}")
        return 1
    _show_runs(console, rounds, lines)
    best = min(runs["follower and listener"].seconds for runs in rounds)
    figure = Figure("lines a second, the best run", lines / best, at_least=100_000)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    show(console, [figure], facts | {"memory at most": f"{memory:.0f} MiB"})
    return 0 if figure.met else 1


if __name__ == "__main__":
    raise SystemExit(main())
