"""The rights that the documentation explains are those that the chart grants."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = [pytest.mark.functional, pytest.mark.tools]

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "security.md"


def documented(account: str) -> set[tuple[str, str]]:
    """Resource and verb of each row of the table that follows ``account`` on the page."""
    table = re.search(rf"^{account}[^\n]*:\n\n((?:\|.*\n)+)", PAGE.read_text(), re.MULTILINE)
    assert table is not None, account
    found, resource = set(), ""
    for row in table[1].splitlines()[2:]:
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        named = re.match(r"`([\w/]+)`", cells[0])
        resource = named[1] if named else resource
        found |= {(resource, verb) for verb in cells[1].split(", ")}
    return found


def granted(role: str) -> set[tuple[str, str]]:
    command = ("helm", "template", "airflow", str(ROOT / "deploy" / "helm" / "podlift"))
    options = ("--kube-version=1.36", "--show-only=templates/rights.yaml")
    done = subprocess.run((*command, *options), capture_output=True, text=True, check=True)
    objects: list[dict[str, Any]] = [each for each in yaml.safe_load_all(done.stdout) if each]
    [rules] = [
        each["rules"]
        for each in objects
        if each["kind"] == "Role" and each["metadata"]["name"] == f"airflow-{role}"
    ]
    return {
        (resource, verb)
        for rule in rules
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


@pytest.mark.parametrize(
    ("account", "role"), [("The scheduler", "scheduler"), ("The API server", "api-server")]
)
def test_the_page_has_what_the_chart_grants(account: str, role: str) -> None:
    assert documented(account) == granted(role)
