"""Measures the executor: `python -m bench.executor`, or `make bench-executor`."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import Unmeasured
from bench.bed import local_cluster, namespace_in, real_kubeconfig
from bench.kubelet import simulated_kubelet
from bench.local import Figure, show
from bench.machine import machine_facts

_PATIENCE = 900.0
_SECONDS = 0.5
"""How long each pod of a comparison runs."""
PACES = {"100 a second": 0.01, "once a second": 1.0}
"""Seconds between two heartbeats."""


async def _measure(module: str, *arguments: object) -> dict[str, Any]:
    """A measurement in a process of its own, which ends with this one."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *map(str, arguments), stdout=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(_PATIENCE):
            output, _ = await process.communicate()
    except TimeoutError as error:
        raise Unmeasured(f"{module} did not end within {_PATIENCE:.0f} s") from error
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    if process.returncode != 0:
        raise Unmeasured(f"{module} ended with exit code {process.returncode}")
    *logged, last = output.decode().splitlines()
    print(*logged, sep="\n", end="", file=sys.stderr)
    result: dict[str, Any] = json.loads(last)
    return result


async def compare(kubeconfig: Path, tasks: int, pairs: int, pace: float) -> list[dict[str, Any]]:
    """The bare client and the executor in turns, each with the same number of pods."""
    found = []
    for _ in range(pairs):
        async with namespace_in(kubeconfig) as namespace:
            with simulated_kubelet(kubeconfig, namespace):
                bare = await _measure("bench.bare_client", kubeconfig, namespace, tasks, _SECONDS)
            load = os.getloadavg()[0]
            run = await _measure(
                "bench.executor_run", "finish", kubeconfig, namespace, tasks, _SECONDS, pace
            )
        found.append({"bare": bare, "executor": run, "load": load})
    return found


def show_pairs(console: Console, title: str, pairs: Sequence[dict[str, Any]], tasks: int) -> None:
    """Each pair a line, so that one can see how much they differ among themselves."""
    table = Table(title=title)
    for heading in (
        "bare /s", "executor /s", "ratio", "bare CPU ms", "executor CPU ms",
        "heartbeat p50 ms", "p99", "max", "load",
    ):  # fmt: skip
        table.add_column(heading, justify="right")
    for pair in pairs:
        bare, run = pair["bare"], pair["executor"]
        beat = run["heartbeat"]
        row = (
            tasks / bare["seconds"], tasks / run["seconds"], bare["seconds"] / run["seconds"],
            bare["cpu"] / tasks * 1e3, run["cpu"] / tasks * 1e3,
            beat["p50"], beat["p99"], beat["max"], pair["load"],
        )  # fmt: skip
        table.add_row(*(f"{value:.2f}" if value < 10 else f"{value:.0f}" for value in row))
    console.print(table)


def show_steps(console: Console, steps: Sequence[dict[str, Any]]) -> None:
    """What it costs to have many pods, and beside each time the machine's own."""
    table = Table(title="Pods alive")
    for heading in ("alive", "heartbeats, p50 / p99 / max ms", "", "the machine's own"):
        table.add_column(heading, justify="right" if heading == "alive" else "left")
    names = {
        "heartbeat": "nothing else happens",
        "heartbeat_with_events": "2,000 events",
        "heartbeat_with_arrivals": "500 tasks a second arrive",
        "relist": "all pods are listed anew",
    }
    for step in steps:
        for name, words in names.items():
            if name in step:
                row = words, _beats(step[name]), _beats(step[name]["machine"])
                table.add_row(f"{step['alive']:,}", row[1], row[0], row[2])
    console.print(table)
    table = Table(title="What they cost")
    for heading in ("alive", "idle CPU %", "CPU µs per event", "added MB", "CPU s of a list anew"):
        table.add_column(heading, justify="right")
    for step in steps:
        table.add_row(
            f"{step['alive']:,}",
            f"{step['idle_cpu_percent']:.1f}",
            f"{step['event_us']:.0f}",
            f"{step['megabytes']:.0f}",
            f"{step['relist']['cpu']:.2f}" if "relist" in step else "",
        )
    console.print(table)


def _beats(beat: dict[str, float]) -> str:
    return f"{beat['p50']:.2f} / {beat['p99']:.2f} / {beat['max']:.2f}"


def figures(
    pairs: Sequence[dict[str, Any]], tasks: int, steps: Sequence[dict[str, Any]]
) -> list[Figure]:
    """What there is a goal for."""
    ratios = [pair["bare"]["seconds"] / pair["executor"]["seconds"] for pair in pairs]
    cpu = [pair["executor"]["cpu"] / tasks * 1e3 for pair in pairs]
    found = [
        Figure("throughput, % of the bare client's", statistics.median(ratios) * 100, at_least=90),
        Figure("executor's CPU ms per task", statistics.median(cpu), at_most=4),
    ]
    for step in steps:
        if "heartbeat_with_arrivals" in step:
            p99 = step["heartbeat_with_arrivals"]["p99"]
            found.append(
                Figure("heartbeat p99 ms, 5,000 running, 500 arriving a second", p99, at_most=2)
            )
        if step["alive"] == 10_000:
            found.append(Figure("MB added by 10,000 pods", step["megabytes"], at_most=100))
        if "relist" in step:
            found.append(
                Figure("longest heartbeat ms in a relist", step["relist"]["max"], at_most=100)
            )
    return found


@asynccontextmanager
async def _cluster(kind: str) -> AsyncIterator[Path]:
    if kind == "real":
        yield real_kubeconfig()
    else:
        async with local_cluster() as bed:
            yield bed.kubeconfig


async def _main(arguments: argparse.Namespace, console: Console) -> list[Figure]:
    async with _cluster(arguments.cluster) as kubeconfig:
        pairs: list[dict[str, Any]] = []
        for pace, pause in PACES.items():
            made = await compare(kubeconfig, arguments.tasks, arguments.pairs, pause)
            show_pairs(
                console, f"{arguments.tasks} tasks, heartbeats: {pace}", made, arguments.tasks
            )
            pairs += made if pace == "100 a second" else []
        steps: list[dict[str, Any]] = []
        if arguments.alive:
            async with namespace_in(kubeconfig) as namespace:
                grown = await _measure(
                    "bench.executor_run", "grow", kubeconfig, namespace, *arguments.alive
                )
            steps = grown["steps"]
            show_steps(console, steps)
        return figures(pairs, arguments.tasks, steps)


def main() -> int:
    """Measures, shows, and says by the exit code whether every goal is met."""
    parser = argparse.ArgumentParser(prog="python -m bench.executor", description=__doc__)
    parser.add_argument("--cluster", choices=("local", "real"), default="local")
    parser.add_argument("--tasks", type=int, default=600)
    parser.add_argument("--pairs", type=int, default=4)
    parser.add_argument(
        "--alive", type=int, nargs="*", default=[100, 1000, 5000, 10_000], help="pods alive at once"
    )
    arguments = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 120)
    facts = machine_facts()
    try:
        found = asyncio.run(_main(arguments, console))
    except Unmeasured as error:
        console.print(f"[red]Not everything could be measured:[/] {error}")
        return 1
    show(console, found, facts)
    return 0 if all(figure.met for figure in found) else 1


if __name__ == "__main__":
    raise SystemExit(main())
