"""Consoles: where output goes, how an error looks, and a picture of the demo."""

from __future__ import annotations

import io
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from podlift.cli.errors import CliError

if TYPE_CHECKING:
    from podlift.cli.demo import Outcome
    from podlift.cli.home import Home

_PICTURE_WIDTH = 116


def make_console() -> Console:
    """Return the console for standard output; a file or a pipe has no width of its own."""
    console = Console()
    return console if console.is_terminal else Console(width=_PICTURE_WIDTH)


def print_error(error: CliError) -> None:
    """Print an error to standard error: the sentence, then its details, indented."""
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    console.print(f"podlift: {error.message}", style="bold red", markup=False)
    for line in error.details:
        console.print(f"  {line}", markup=False)


def save_picture(outcome: Outcome, home: Home, file: Path) -> None:
    """Save the demo's last table and its summary as SVG."""
    from podlift.cli.rows import rows
    from podlift.cli.story import STORY, task_instances
    from podlift.cli.summary import print_summary
    from podlift.cli.views import table_of

    canvas = Console(record=True, width=_PICTURE_WIDTH, file=io.StringIO(), force_terminal=True)
    order = [each.task_id for each in STORY]
    title = f"{task_instances()} task instances, each in a pod of its own"
    canvas.print(table_of(rows(outcome.board, order, time.monotonic()), title))
    print_summary(canvas, outcome.board, outcome.wrong, outcome.seconds, home)
    drawn = canvas.export_svg(title="podlift demo")
    # A picture in a page must not fetch anything, and rich's fonts come from elsewhere.
    drawn = re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(drawn)
