"""What the doctor makes of what it finds."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from podlift.commands.doctor.checks import Check, Outcome, bad, good, is_well, lines
from podlift.commands.doctor.configuration import idle, judge_api_url
from podlift.commands.doctor.logging_place import judge_folder
from podlift.commands.doctor.rights import RIGHTS, Right, judge_rights
from podlift.commands.doctor.sample import judge_sample
from podlift.commands.doctor.seal import judge_seal
from podlift.commands.doctor.server import judge_clock, judge_version
from podlift.sealing import new_key
from podlift.settings import Settings

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
URL = "http://airflow:8080/execution/"
OURS = {name: version(name) for name in ("apache-airflow-core", "podlift")}


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("v1.29.0", Outcome.GOOD),
        ("v1.36.2+k3s1", Outcome.GOOD),
        ("v1.28.9", Outcome.BAD),
        ("something", Outcome.DOUBTFUL),
    ],
)
def test_versions_of_kubernetes(text: str, outcome: Outcome) -> None:
    assert judge_version("https://server", text, 3.2).outcome is outcome


@pytest.mark.parametrize(
    ("theirs", "outcome", "words"),
    [
        ("2026-01-02T12:00:00Z", Outcome.GOOD, "agrees"),
        ("2026-01-02T12:05:01Z", Outcome.BAD, "300 seconds ahead of"),
        ("2026-01-02T11:58:59Z", Outcome.BAD, "60 seconds behind"),
    ],
)
def test_clocks(theirs: str, outcome: Outcome, words: str) -> None:
    check = judge_clock(theirs, NOON, NOON + timedelta(seconds=1))
    assert check.outcome is outcome
    assert words in check.says


def test_rights_that_are_missing_are_named_and_those_that_only_help_too() -> None:
    assert [each.outcome for each in judge_rights("tasks", ())] == [Outcome.GOOD]
    missing = [Right("patch", "pods"), Right("list", "events", needed=False)]
    needed, helpful = judge_rights("tasks", missing)
    assert (needed.outcome, helpful.outcome) == (Outcome.BAD, Outcome.DOUBTFUL)
    assert "patch pods in namespace tasks" in needed.says
    assert "ClusterRole" in next(judge_rights(None, missing)).remedy


def test_the_rights_are_those_that_the_documentation_asks_for() -> None:
    page = (Path(__file__).parents[3] / "docs/executor.md").read_text()
    rows = [line.split("|")[1:3] for line in page.splitlines() if line.startswith("| `")]
    asked = {
        (verb.strip(), resource.strip(" `"))
        for resource, verbs in rows
        if resource.strip(" `") in {"pods", "pods/log", "events", "secrets"}
        for verb in verbs.split(",")
    }
    assert {(right.verb, right.resource) for right in RIGHTS} == asked


def secret(text: str) -> dict[str, Any]:
    return {"data": {"key": base64.b64encode(text.encode()).decode()}}


def test_keys() -> None:
    assert judge_seal("Secret s", secret(new_key())).outcome is Outcome.GOOD
    both = judge_seal("Secret s", secret(f"{new_key()} {new_key()}"))
    assert "1 older ones" in both.says
    unreadable: list[dict[str, Any]] = [{}, {"data": {}}, {"data": {"key": "%"}}]
    for wrong in (*unreadable, secret("short"), secret("")):
        assert judge_seal("Secret s", wrong).outcome is Outcome.BAD
    assert judge_seal("Secret s", secret(f"{new_key()} short")).outcome is Outcome.BAD


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    assert judge_folder(tmp_path / "logs").outcome is not Outcome.BAD
    (tmp_path / "file").touch()
    assert judge_folder(tmp_path / "file" / "logs").outcome is Outcome.BAD


@pytest.mark.parametrize(
    ("settings", "set_here", "option"),
    [
        (
            Settings(multi_namespace_mode_namespace_list=("a",)),
            "multi_namespace_mode_namespace_list",
            "multi_namespace_mode_namespace_list",
        ),
        (Settings(in_cluster=True, config_file="/k"), "config_file", "config_file"),
        (Settings(worker_container_tag="1"), "worker_container_tag", "worker_container_tag"),
        (Settings(), "out_of_memory_ceiling", "out_of_memory_ceiling"),
        (
            Settings(delete_worker_pods=False, failed_pod_retention=5.0),
            "failed_pod_retention",
            "failed_pod_retention",
        ),
    ],
)
def test_options_without_effect(settings: Settings, set_here: str, option: str) -> None:
    [sentence] = idle(settings, frozenset({set_here}))
    assert option in sentence
    assert list(idle(Settings(), frozenset())) == []


def test_a_url_that_means_the_pod_itself_is_doubtful() -> None:
    assert judge_api_url("http://localhost:8080/execution/").outcome is Outcome.DOUBTFUL
    assert judge_api_url(URL).outcome is Outcome.GOOD


def judged(**said: Any) -> dict[str, Check]:
    found = {"time": NOON.timestamp(), "versions": OURS, "status": 200, **said}
    checks = judge_sample(found, URL, NOON - timedelta(seconds=2), NOON + timedelta(seconds=2))
    return {each.what: each for each in checks}


def test_a_pod_that_finds_everything() -> None:
    assert is_well(judged().values())
    assert "node's clock" not in judged()


def test_a_pod_that_does_not_find_airflow() -> None:
    refused = judged(status=None, error="Connection refused")["API from a pod"]
    assert refused.outcome is Outcome.BAD
    assert "Connection refused" in refused.says
    assert judged(status=404)["API from a pod"].outcome is Outcome.BAD


def test_an_image_with_other_versions() -> None:
    other = judged(versions=OURS | {"podlift": "0.0.1"})["versions"]
    assert (other.outcome, "0.0.1" in other.says) == (Outcome.DOUBTFUL, True)
    none = judged(versions=OURS | {"podlift": None})["versions"]
    assert none.outcome is Outcome.BAD


def test_a_node_whose_clock_is_wrong() -> None:
    check = judged(time=NOON.timestamp() + 62)["node's clock"]
    assert "60 seconds ahead of" in check.says


def test_the_report_has_a_sign_for_each_and_remedies_below() -> None:
    assert lines([good("server", "fine."), bad("rights", "none.", "Grant them.")]) == [
        "✓ server  fine.",
        "✗ rights  none.",
        "          → Grant them.",
    ]
    assert is_well([good("server", "fine.")])
    assert not is_well([good("server", "fine."), bad("rights", "none.", "Grant them.")])
