"""How progress is shown: a table that changes in a terminal, lines anywhere else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from podlift.cli.airflow_api import TaskInstance
from podlift.cli.board import PodRecord
from podlift.cli.rows import Row

STYLES = {
    "success": "green",
    "Succeeded": "green",
    "failed": "red",
    "Failed": "red",
    "upstream_failed": "red",
    "failed, retried": "yellow",
    "up_for_retry": "yellow",
    "running": "cyan",
    "Running": "cyan",
    "Terminating": "magenta",
}

Rows = Callable[[], Sequence[Row]]


class View(Protocol):
    """What the demo and `podlift up` say while they work."""

    def stage(self, doing: str, done: str) -> AbstractContextManager[None]:
        """Show that something is being done, and then that it was, with the seconds it took."""

    def pod(self, record: PodRecord, now: float) -> None:
        """Show that a pod has a new phase."""

    def task(self, instance: TaskInstance) -> None:
        """Show that a task instance has a new state."""

    def watching(self, rows: Rows, title: str) -> AbstractContextManager[None]:
        """Show the tasks and pods while the block runs, however they change."""

    def stopping(self) -> None:
        """Show that everything is being stopped."""


def make_view(console: Console, started: float) -> View:
    """Return the view that suits where the output goes; `started` is a monotonic time."""
    return LiveView(console) if console.is_terminal else PlainView(console, started)


class PlainView:
    """One line for everything that happens, each with the seconds since the start."""

    def __init__(self, console: Console, started: float) -> None:
        self._console = console
        self._started = started

    @contextmanager
    def stage(self, doing: str, done: str) -> Iterator[None]:
        """Print a line when it is done; what takes long is seen by the next line's seconds."""
        begun = time.monotonic()
        yield
        self._line(f"{done} ({time.monotonic() - begun:.1f} s)")

    def pod(self, record: PodRecord, now: float) -> None:
        """Print the phase, and the seconds that the one before it took."""
        who = record.task if record.is_worker else f"{record.task} (container)"
        running = record.seconds_running(now)
        after = ""
        if record.ended_at is not None and running is not None:
            after = f"after {running:.1f} s running"
        elif record.running_since is not None or record.ended_at is not None:
            after = f"after {record.seconds_pending(now):.1f} s pending"
        code = f", exit code {record.exit_code}" if record.exit_code else ""
        self._line(f"{who:<22} pod {record.name}  {record.phase} {after}{code}")

    def task(self, instance: TaskInstance) -> None:
        """Print the end of a task instance; its pod's lines tell the rest."""
        if instance.state in ("success", "failed", "up_for_retry", "upstream_failed", "skipped"):
            self._line(f"{instance.label:<22} {instance.state}")

    @contextmanager
    def watching(self, rows: Rows, title: str) -> Iterator[None]:
        """Only the lines above: a table cannot be redrawn here."""
        self._line(title)
        yield

    def stopping(self) -> None:
        """A line; what follows it may take a few seconds."""
        self._line("stopping Airflow and the cluster")

    def _line(self, text: str) -> None:
        line = f"{time.monotonic() - self._started:6.1f} s  {text.rstrip()}"
        self._console.print(line, soft_wrap=True, markup=False, highlight=False)


class LiveView:
    """A table that is drawn anew four times a second."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def stage(self, doing: str, done: str) -> Iterator[None]:
        """Show a spinner, then a line with a check mark."""
        begun = time.monotonic()
        with self._console.status(f"{doing} ..."):
            yield
        seconds = time.monotonic() - begun
        self._console.print(f"[green]✓[/green] {done} [dim]{seconds:.1f} s[/dim]", highlight=False)

    def pod(self, record: PodRecord, now: float) -> None:
        """The table shows it."""

    def task(self, instance: TaskInstance) -> None:
        """The table shows it."""

    @contextmanager
    def watching(self, rows: Rows, title: str) -> Iterator[None]:
        """Keep the table on the screen while the block runs, and leave its last state there."""
        with Live(
            get_renderable=lambda: table_of(rows(), title),
            console=self._console,
            refresh_per_second=4,
            vertical_overflow="ellipsis",
        ) as live:
            yield
            live.vertical_overflow = "visible"

    def stopping(self) -> None:
        """A line below the table."""
        self._console.print("Stopping Airflow and the cluster ...", style="dim")


def table_of(rows: Sequence[Row], title: str) -> Table:
    """Draw the rows."""
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=None,
        pad_edge=False,
        min_width=len(title),  # before the first pod the table is narrower than its title
    )
    for heading in ("Task", "State", "Pod", "Phase"):
        table.add_column(heading, no_wrap=True, overflow="ellipsis")
    for heading in ("Pending", "Running"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            row.task,
            _styled(row.state),
            row.pod,
            _styled(row.phase, f" ({row.exit_code})" if row.exit_code else ""),
            _seconds(row.pending),
            _seconds(row.running),
        )
    return table


def _styled(word: str, more: str = "") -> Text:
    return Text(word + more, style=STYLES.get(word, "dim"))


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.1f} s"
