"""Arguments, and what is imported to know them."""

from __future__ import annotations

import subprocess
import sys
from argparse import ArgumentTypeError

import pytest
from airflow.cli.cli_config import GroupCommand

from podlift.commands.definition import get_cli_commands, seconds


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("90", 90),
        ("90s", 90),
        ("15m", 900),
        ("12h", 43200),
        ("7d", 604800),
        ("0", 0),
        ("1.5h", 5400),
    ],
)
def test_spans_of_time(text: str, wanted: float) -> None:
    assert seconds(text) == wanted


@pytest.mark.parametrize("text", ["", "h", "soon", "-1", "inf", "nan", "1w"])
def test_what_is_no_span_of_time(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="is no span of time"):
        seconds(text)


def test_every_command_can_be_printed_in_a_form_for_programs_and_says_what_it_does() -> None:
    [group] = get_cli_commands()
    assert isinstance(group, GroupCommand)
    names = []
    for command in group.subcommands:
        names.append(command.name)
        flags = {flag for arg in command.args for flag in arg.flags}
        assert {"--output", "--verbose", "--team"} <= flags
        assert command.help
    assert names == ["pods", "explain", "render", "cleanup", "doctor"]


def test_the_definition_imports_nothing_heavy() -> None:
    script = (
        "import sys; import airflow.cli.cli_config; before = set(sys.modules);"
        "import podlift.commands.definition;"
        "print(*sorted(name for name in set(sys.modules) - before if name != 'podlift'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["podlift.commands", "podlift.commands.definition"]
