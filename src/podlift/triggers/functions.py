"""Functions and classes of DAG authors, on their way to the triggerer: by name, to be imported."""

from __future__ import annotations

import importlib
import sys
from typing import Any

_OF_A_DAG_FILE = "unusual_prefix_"
"""How Airflow begins the names of the modules that it makes of DAG files."""


def name_of(thing: Any) -> str | None:
    """Under which name another process can import it; None if none can.

    What is defined in a DAG file cannot be: the triggerer does not read DAG files.
    """
    module, name = getattr(thing, "__module__", None), getattr(thing, "__qualname__", None)
    if not module or not name or "<" in name or module == "__main__":
        return None
    if module.startswith(_OF_A_DAG_FILE) or module not in sys.modules:
        return None
    found: Any = sys.modules[module]
    for part in name.split("."):
        found = getattr(found, part, None)
    return f"{module}:{name}" if found == thing else None


def named(name: str) -> Any:
    """What has the name. Raises ``ImportError`` or ``AttributeError`` where nothing has."""
    module, _, path = name.partition(":")
    found: Any = importlib.import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    return found
