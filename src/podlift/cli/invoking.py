"""How the user calls `podlift`, for texts that tell what to type next."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from podlift.cli.home import Home, default_home


def command(words: str, home: Home | None = None) -> str:
    """What to type for `podlift <words>`, with `--home` where the home is not the usual one."""
    text = f"{_program()} {words}"
    return (
        text if home is None or home.root == default_home() else f"{text} --home {short(home.root)}"
    )


def short(folder: Path) -> str:
    """Return the path as one would type it, with `~` for the user's own folder."""
    try:
        return f"~/{folder.relative_to(Path.home())}"
    except ValueError:
        return str(folder)


def _program() -> str:
    """`podlift` where the shell finds this very program, else its path as one would type it.

    `make` calls it from a virtual environment that is not activated.
    """
    program = Path(sys.argv[0]).resolve()
    if program.name != "podlift":  # run as a module
        return f"{_typed(Path(sys.executable))} -m podlift.cli"
    found = shutil.which("podlift")
    if found is not None and Path(found).resolve() == program:
        return "podlift"
    return _typed(program)


def _typed(program: Path) -> str:
    """The path from here if it is below this folder, else the whole path."""
    here = Path(os.curdir).resolve()
    return str(program.relative_to(here)) if program.is_relative_to(here) else str(program)
