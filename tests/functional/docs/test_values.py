"""What the documentation gives as values of the chart, the chart takes."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

pytestmark = [pytest.mark.functional, pytest.mark.tools]

ROOT = Path(__file__).parents[3]
CHART = ROOT / "deploy" / "helm" / "podlift"
PAGES = ("dags", "image", "install", "logs", "security", "sizing")
_BLOCK = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def examples() -> list[str]:
    """The YAML of these pages that is not an object of Kubernetes."""
    blocks = (
        block
        for page in PAGES
        for block in _BLOCK.findall((ROOT / "docs" / f"{page}.md").read_text())
    )
    return [block for block in blocks if "apiVersion:" not in block]


@pytest.mark.parametrize("values", examples(), ids=lambda block: "-".join(yaml.safe_load(block)))
def test_the_chart_takes_the_values(values: str) -> None:
    options = ("--namespace=airflow", "--kube-version=1.36", "--values=-")
    command = ("helm", "template", "airflow", str(CHART), *options)
    done = subprocess.run(command, input=values, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "kind: Deployment" in done.stdout


def test_there_are_examples() -> None:
    assert len(examples()) > 10
