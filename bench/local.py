"""Measures the local cluster and the demo: `python -m bench.local`, or `make bench-local`."""

from __future__ import annotations

import argparse
import asyncio
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench import Unmeasured, meets
from bench import cluster_figures as cluster
from bench.bed import local_cluster
from bench.demo_figures import seconds_of_the_demo
from bench.machine import machine_facts
from podlift.kube import KubeError
from podlift.local.errors import LocalError


@dataclass(frozen=True)
class Figure:
    """Something measured, and the bound that it should keep to."""

    sentence: str
    value: float
    at_least: float | None = None
    at_most: float | None = None

    @property
    def met(self) -> bool:
        return meets(self.value, self.at_least, self.at_most)

    @property
    def goal(self) -> str:
        if self.at_least is not None:
            return f"at least {self.at_least:,.0f}"
        return f"at most {self.at_most:,.0f}"


async def cluster_figures(console: Console) -> list[Figure]:
    """What a local cluster does in a second, and what another one weighs."""
    async with local_cluster() as bed:
        with console.status(f"Creating {cluster.CREATED:,} pods ..."):
            created = await cluster.creations_per_second(bed)
        with console.status("Deleting them, and watching that ..."):
            watched = await cluster.watched_events_per_second(bed)
        with console.status(f"Running {cluster.TRIVIAL} pods ..."):
            trivial = await cluster.seconds_for_trivial_pods(bed)
    async with local_cluster() as bed:
        with console.status(f"Running {cluster.FINISHED:,} pods ..."):
            resident = await cluster.megabytes_with_finished_pods(bed)
    return [
        Figure(f"pod creations a second, {cluster.CLIENTS} clients", created, at_least=200),
        Figure("events a second of one watch", watched, at_least=5000),
        Figure(f"seconds for {cluster.TRIVIAL} trivial pods", trivial, at_most=10),
        Figure(f"MB resident with {cluster.FINISHED:,} finished pods", resident, at_most=120),
    ]


async def demo_figures(console: Console) -> list[Figure]:
    """How long the demo takes with the environment installed."""
    with console.status("Running podlift demo ..."):
        seconds = await seconds_of_the_demo()
    return [Figure("seconds of podlift demo", seconds, at_most=90)]


def show(console: Console, figures: list[Figure], facts: dict[str, str]) -> None:
    """The figures beside their goals, and the machine that they hold for."""
    table = Table(title="Podlift on this machine")
    table.add_column("figure")
    table.add_column("measured", justify="right")
    table.add_column("goal", justify="right")
    table.add_column("")
    for figure in figures:
        verdict = "[green]met[/]" if figure.met else "[red]missed[/]"
        value = f"{figure.value:,.0f}" if figure.value >= 100 else f"{figure.value:,.1f}"
        table.add_row(figure.sentence, value, figure.goal, verdict)
    console.print(table)
    for name, fact in facts.items():
        console.print(f"{name:>20}: {fact}", highlight=False)


def main() -> int:
    """Measures, shows, and says by the exit code whether every goal is met."""
    parser = argparse.ArgumentParser(prog="python -m bench.local", description=__doc__)
    parser.add_argument("--no-demo", action="store_true", help="measure the local cluster only")
    arguments = parser.parse_args()
    console = Console()
    facts = machine_facts()
    figures: list[Figure] = []
    # One after another, so that none disturbs another.
    try:
        figures += asyncio.run(cluster_figures(console))
        if not arguments.no_demo:
            figures += asyncio.run(demo_figures(console))
    except (Unmeasured, KubeError, LocalError) as error:
        console.print(f"[red]Not everything could be measured:[/] {escape(str(error))}")
        return 1
    finally:
        show(console, figures, facts)
    return 0 if all(figure.met for figure in figures) else 1


if __name__ == "__main__":
    raise SystemExit(main())
