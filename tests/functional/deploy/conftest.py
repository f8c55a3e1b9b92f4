from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.functional.deploy.charts import Object, parse, template

# ``deploy`` is a folder of the repository, not of the installed package.
sys.path.append(str(Path(__file__).resolve().parents[3]))

Render = Callable[..., list[Object]]


@pytest.fixture(scope="session")
def helm() -> str:
    """The program's path."""
    program = shutil.which("helm")
    assert program, "helm is not in the PATH; `make test-tools` and `make test-real` build it."
    return program


@pytest.fixture(scope="session")
def render(helm: str) -> Render:
    """Render the chart with values; returns its objects, which nobody may change."""
    rendered: dict[str, list[Object]] = {}

    def run(values: Any = None) -> list[Object]:
        key = json.dumps(values or {})
        if key not in rendered:
            done = template(helm, values)
            assert done.returncode == 0, done.stderr
            rendered[key] = parse(done.stdout)
        return rendered[key]

    return run


@pytest.fixture
def refused(helm: str) -> Callable[..., str]:
    """Render the chart with values that it refuses; returns what it says."""

    def run(values: Any, *arguments: str) -> str:
        done = template(helm, values, *arguments)
        assert done.returncode != 0, "the chart took these values"
        return done.stderr

    return run
