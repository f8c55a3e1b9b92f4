"""What the status of an object says of its work."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from podlift.runs.judging import Judgement, Sign, Verdict, progress_of, value_at, verdict_of
from podlift.runs.kinds import JOB, PRESETS, RAY_JOB, SPARK_APPLICATION

FAILED = {
    "status": {
        "failed": 1,
        "conditions": [
            {"type": "FailureTarget", "status": "True", "reason": "BackoffLimitExceeded"},
            {
                "type": "Failed",
                "status": "True",
                "reason": "BackoffLimitExceeded",
                "message": "Job has reached the specified backoff limit",
            },
        ],
    }
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("status.failed", 1),
        ("status.conditions[type=Failed].reason", "BackoffLimitExceeded"),
        ("status.conditions[type=Complete].status", None),
        ("status.conditions[type=Failed]", FAILED["status"]["conditions"][1]),  # type: ignore[index]
        ("status.nothing.there", None),
        ("status.failed.deeper", None),
        ("status[type=Failed].reason", None),
    ],
)
def test_a_path_leads_to_a_value_or_to_nothing(path: str, value: Any) -> None:
    assert value_at(FAILED, path) == value


def test_a_value_to_pick_by_may_have_dots() -> None:
    manifest = {"a": [{"name": "b.c/d", "x": 1}]}
    assert value_at(manifest, "a[name=b.c/d].x") == 1


@pytest.mark.parametrize("path", ["", "a..b", "a[b", "a[b].c"])
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="is no path"):
        value_at(FAILED, path)


def test_a_failed_job_says_why() -> None:
    words = "BackoffLimitExceeded: Job has reached the specified backoff limit"
    assert verdict_of(FAILED, JOB) == Verdict(False, words)
    assert progress_of(FAILED, JOB) == "failed 1"


def test_a_job_whose_failure_is_only_decided_goes_on() -> None:
    conditions = FAILED["status"]["conditions"][:1]  # type: ignore[index]
    assert verdict_of({"status": {"conditions": conditions}}, JOB) is None
    assert verdict_of({}, JOB) is None


def test_a_failure_counts_before_a_success() -> None:
    either = Judgement(success=(Sign("a", ("1",)),), failure=(Sign("a", ("1",)),))
    assert verdict_of({"a": 1}, either) == Verdict(False)


@pytest.mark.parametrize(
    ("judgement", "status", "succeeded"),
    [
        (SPARK_APPLICATION, {"applicationState": {"state": "COMPLETED"}}, True),
        (SPARK_APPLICATION, {"applicationState": {"state": "FAILED"}}, False),
        (SPARK_APPLICATION, {"applicationState": {"state": "SUBMISSION_FAILED"}}, None),
        (SPARK_APPLICATION, {"applicationState": {"state": "RUNNING"}}, None),
        (RAY_JOB, {"jobStatus": "SUCCEEDED", "jobDeploymentStatus": "Complete"}, True),
        (RAY_JOB, {"jobStatus": "FAILED", "jobDeploymentStatus": "Retrying"}, None),
        (RAY_JOB, {"jobStatus": "FAILED", "jobDeploymentStatus": "Failed"}, False),
        (RAY_JOB, {"jobStatus": "STOPPED", "jobDeploymentStatus": "Complete"}, False),
    ],
)
def test_known_kinds(judgement: Judgement, status: Any, succeeded: bool | None) -> None:
    verdict = verdict_of({"status": status}, judgement)
    assert (None if verdict is None else verdict.succeeded) is succeeded


def test_every_preset_has_paths_that_can_be_read() -> None:
    for preset in PRESETS.values():
        verdict_of({}, preset.judgement)
        for path in (*preset.judgement.words, *preset.judgement.progress):
            assert value_at({}, path) is None


def test_the_jobs_of_a_real_cluster_are_judged() -> None:
    recording = Path("tests/data/kube-recordings/api-other-kinds.json")
    jobs = [each for each in _objects(json.loads(recording.read_text())) if _is_ended_job(each)]
    assert jobs, "the recordings hold a Job that has ended"
    assert all(verdict_of(each, JOB) is not None for each in jobs)


def _objects(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [value, *(found for each in value.values() for found in _objects(each))]
    if isinstance(value, list):
        return [found for each in value for found in _objects(each)]
    return []


def _is_ended_job(value: Any) -> bool:
    status = value.get("status")
    if not (isinstance(status, dict) and "uncountedTerminatedPods" in status):
        return False
    types = {each["type"] for each in status.get("conditions") or ()}
    return bool(types & {"Complete", "Failed"})
