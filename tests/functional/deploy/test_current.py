"""What is made from the chart is what the chart makes."""

from __future__ import annotations

import re
import subprocess

import pytest
from deploy import rendering
from tests.functional.deploy.charts import CHART, complaints, parse

pytestmark = [pytest.mark.functional, pytest.mark.tools]


def test_helm_finds_nothing_to_say(helm: str) -> None:
    done = subprocess.run([helm, "lint", "--strict", str(CHART)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_plain_manifests_are_current(helm: str) -> None:
    for name, text in rendering.manifests(helm).items():
        written = (rendering.PLAIN / name).read_text()
        assert written == text, f"deploy/kube/{name} is not what the chart makes: make manifests"


@pytest.mark.parametrize("name", ["volumes.yaml", "postgres.yaml", "airflow.yaml"])
def test_the_plain_manifests_are_valid_and_hold_no_secret(name: str) -> None:
    text = (rendering.PLAIN / name).read_text()
    objects = parse(text)
    for each in objects:
        assert complaints(each) == [], each["metadata"]["name"]
        assert each["kind"] != "Secret"
        assert each["kind"] == "Namespace" or each["metadata"]["namespace"] == "airflow"
    assert "helm" not in text.lower().replace("deploy/helm", "")


def test_every_verb_is_explained() -> None:
    text = (rendering.PLAIN / "airflow.yaml").read_text()
    lists = re.findall(r"verbs:\n((?: +- \w+(?: .*)?\n)+)", text)
    verbs = [line for each in lists for line in each.splitlines()]
    assert len(verbs) >= 13
    assert [line for line in verbs if not re.search(r"- \w+ # .{10}", line)] == []


def test_the_secrets_are_those_that_the_manifests_want() -> None:
    made = set(re.findall(r"^secret (\S+) ", (rendering.PLAIN / "secrets").read_text(), re.M))
    wanted: set[str] = set()
    for name in ("postgres.yaml", "airflow.yaml"):
        text = (rendering.PLAIN / name).read_text()
        wanted |= set(re.findall(r"secretKeyRef: \{name: ([\w-]+)", text))
        wanted |= set(re.findall(r"SEAL_SECRET_NAME: \"([\w-]+)", text))
    assert made == wanted
