"""Writes a report whole or not at all."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict
from pathlib import Path

from bench.side_by_side.report import pictures, readme_block, report
from bench.side_by_side.results import Results

BEGIN = "<!-- figures of the last report, written by `make bench` -->"
END = "<!-- end of figures -->"


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


def show_in(readme: Path, folder: Path, results: Results, date: str) -> None:
    """Put a report's table and plot between the marks that the README has for them.

    Raises ``ValueError`` when the marks are not there.
    """
    text = readme.read_text()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{readme} has no lines {BEGIN!r} and {END!r}: put them in")
    block = readme_block(results, folder.relative_to(readme.parent).as_posix(), date)
    fresh = readme.with_name(f".{readme.name}.new")
    fresh.write_text(f"{before}{begin}\n\n{block}\n\n{end}{after}")
    fresh.replace(readme)


def read(file: Path) -> Results:
    """The figures of an earlier run, to write its report anew."""
    return Results(**json.loads(file.read_text()))
