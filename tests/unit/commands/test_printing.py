"""Times and values as commands print them."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
import yaml

from podlift.commands.printing import as_json, as_yaml, duration, print_rows

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("span", "text"),
    [(-3, "0s"), (8.9, "8s"), (65, "1m05s"), (3600, "1h00m"), (90000, "1d01h")],
)
def test_durations(span: float, text: str) -> None:
    assert duration(span) == text


def test_programs_get_types_and_times_in_iso_8601() -> None:
    data = [{"index": -1, "none": None, "at": NOON, "name": "ä"}]
    wanted = [{"index": -1, "none": None, "at": "2026-01-02T12:00:00Z", "name": "ä"}]
    assert json.loads(as_json(data)) == wanted
    assert yaml.safe_load(as_yaml(data)) == wanted


@pytest.mark.parametrize("output", ["table", "plain"])
def test_people_get_all_of_a_cell_and_no_markup(
    output: str, capsys: pytest.CaptureFixture[str]
) -> None:
    print_rows([{"pod": "a/b", "reason": "[red]no node[/red]", "node": None}], output)
    out = capsys.readouterr().out
    assert "[red]no node[/red]" in out
    assert "None" not in out


def test_nothing_is_said_in_words_or_as_an_empty_list(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows([], "table", empty="There are none.")
    print_rows([], "json")
    assert capsys.readouterr().out == "There are none.\n[]\n"
