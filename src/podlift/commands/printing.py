"""Output in the forms that Airflow's own commands offer: table, json, yaml and plain."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import yaml

Rows = Sequence[Mapping[str, Any]]

_STRUCTURED = ("json", "yaml")


def is_structured(output: str) -> bool:
    """Whether programs read this form, which then holds everything, with types."""
    return output in _STRUCTURED


def print_rows(rows: Rows, output: str, *, empty: str = "No data found") -> None:
    """Print objects with the same keys. ``empty`` is what people read if there is none."""
    if is_structured(output):
        print_data([dict(row) for row in rows], output)
        return
    if not rows:
        print(empty)
        return
    from airflow.cli.simple_table import AirflowConsole

    cells = [{key: _cell(value) for key, value in row.items()} for row in rows]
    AirflowConsole(markup=False, highlight=False).print_as(cells, output)


def print_data(data: Any, output: str) -> None:
    """Print one value as JSON or YAML, the whole of it."""
    text = as_json(data, indent=2) if output == "json" else as_yaml(data)
    print(text.rstrip("\n"))


def print_one(data: Any, output: str) -> None:
    """Print one of many values that follow each other: a line of JSON, or a YAML document."""
    print(as_json(data) if output == "json" else "---\n" + as_yaml(data).rstrip("\n"), flush=True)


def as_json(data: Any, indent: int | None = None) -> str:
    """The value as JSON text; times become ISO 8601."""
    return json.dumps(data, ensure_ascii=False, indent=indent, default=_plain)


def as_yaml(data: Any) -> str:
    """The value as YAML text with the keys in their order."""
    plain = json.loads(as_json(data))
    text: str = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=100)
    return text


def say(sentence: str) -> None:
    """Tell the person something that is not part of the output."""
    print(sentence, file=sys.stderr, flush=True)


def iso(moment: datetime | None) -> str | None:
    """A moment as UTC in ISO 8601, to the second."""
    if moment is None:
        return None
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def duration(seconds: float) -> str:
    """A span as people say it: ``8s``, ``3m05s``, ``2h10m``, ``4d06h``."""
    whole = max(0, int(seconds))
    days, rest = divmod(whole, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, left = divmod(rest, 60)
    if days:
        return f"{days}d{hours:02}h"
    if hours:
        return f"{hours}h{minutes:02}m"
    return f"{minutes}m{left:02}s" if minutes else f"{left}s"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return str(_plain(value)) if isinstance(value, datetime) else str(value)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return iso(value)
    raise TypeError(f"{type(value).__name__} cannot be printed.")
