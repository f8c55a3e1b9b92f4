"""Writes a report whole or not at all."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict
from pathlib import Path

from bench.side_by_side.report import pictures, report
from bench.side_by_side.results import Results


def write(results: Results, folder: Path, date: str) -> Path:
    """The page, its plots and the figures as JSON, into a folder; returns the page.

    All are written beside it first and then renamed, the page last: whoever stops this leaves
    either no page or a whole one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / f"{date}.md"
    with tempfile.TemporaryDirectory(dir=folder, prefix=".unfinished-") as scratch:
        made = Path(scratch)
        for name, picture in pictures(results).items():
            (made / f"{date}-{name}.svg").write_text(picture)
        figures = json.dumps(asdict(results), indent=1)
        (made / f"{date}.json").write_text(f"{figures}\n")
        (made / page.name).write_text(report(results, date))
        for file in sorted(made.iterdir(), key=lambda each: each == made / page.name):
            file.replace(folder / file.name)
    return page


def read(file: Path) -> Results:
    """The figures of an earlier run, to write its report anew."""
    return Results(**json.loads(file.read_text()))
