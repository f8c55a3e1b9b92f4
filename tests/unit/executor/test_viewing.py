"""What the state machine sees of a pod."""

from __future__ import annotations

from typing import Any

import pytest

from podlift.executor.observations import PodSeen
from podlift.executor.state import Trouble
from podlift.executor.viewing import see
from podlift.exit_codes import ExitCode
from podlift.pods.causes import Cause
from podlift.pods.reading import read_pod


def pod(phase: str, state: dict[str, Any] | None = None, **metadata: Any) -> Any:
    statuses = [] if state is None else [{"name": "base", "state": state}]
    return read_pod(
        {
            "metadata": {"uid": "u", **metadata},
            "spec": {"containers": [{"name": "base"}]},
            "status": {"phase": phase, "containerStatuses": statuses},
        }
    )


def trouble_of(seen: PodSeen) -> Trouble:
    assert seen.trouble is not None
    return seen.trouble


def test_a_pod_that_waits_is_nothing_to_worry_about() -> None:
    seen = see(pod("Pending"), 1.0)
    assert (seen.uid, seen.started, seen.finished, seen.trouble) == ("u", False, False, None)


def test_a_container_that_runs_has_started() -> None:
    assert see(pod("Running", {"running": {"startedAt": "2026-01-01T00:00:00Z"}}), 1.0).started


def test_an_exit_code_is_seen_before_the_pod_is_finished() -> None:
    ended = {"terminated": {"exitCode": 3, "reason": "Error", "startedAt": "2026-01-01T00:00:00Z"}}
    seen = see(pod("Running", ended), 1.0)
    assert (seen.exit_code, seen.finished) == (3, False)
    trouble = trouble_of(seen)
    assert "exit code 3" in trouble.sentence
    assert not trouble.infrastructure


def test_an_image_that_cannot_be_pulled_may_turn_up_and_a_name_that_is_wrong_cannot() -> None:
    waiting = {"waiting": {"reason": "ErrImagePull", "message": "not found"}}
    pull = trouble_of(see(pod("Pending", waiting), 1.0))
    assert (pull.stuck, pull.hopeless, pull.infrastructure) == (True, False, False)
    waiting = {"waiting": {"reason": "InvalidImageName", "message": "bad"}}
    name = trouble_of(see(pod("Pending", waiting), 1.0))
    assert (name.stuck, name.hopeless) == (False, True)


def test_a_pod_for_which_there_is_no_room_is_not_stuck() -> None:
    full = read_pod(
        {
            "metadata": {"uid": "u"},
            "spec": {"containers": [{"name": "base"}]},
            "status": {
                "phase": "Pending",
                "conditions": [
                    {
                        "type": "PodScheduled",
                        "status": "False",
                        "reason": "Unschedulable",
                        "message": "0/1 nodes are available: 1 Insufficient cpu.",
                    }
                ],
            },
        }
    )
    trouble = trouble_of(see(full, 1.0))
    assert "Insufficient cpu" in trouble.sentence
    assert not trouble.stuck


def test_a_pod_that_the_node_refuses_is_the_infrastructures_fault() -> None:
    refused = read_pod(
        {
            "metadata": {"uid": "u"},
            "spec": {"containers": [{"name": "base"}]},
            "status": {"phase": "Failed", "reason": "OutOfcpu", "message": "not enough"},
        }
    )
    seen = see(refused, 1.0)
    assert (seen.finished, seen.started) == (True, False)
    assert trouble_of(seen).infrastructure


@pytest.mark.parametrize("code", [ExitCode.UNREACHABLE, ExitCode.REFUSED, ExitCode.WRONG_KEY])
def test_a_worker_that_could_not_begin_the_task_may_be_followed_by_another(code: ExitCode) -> None:
    seen = see(pod("Failed", {"terminated": {"exitCode": int(code)}}), 1.0)
    assert trouble_of(seen).infrastructure


def test_a_worker_whose_task_was_killed_for_want_of_memory_says_so() -> None:
    ended = pod("Failed", {"terminated": {"exitCode": int(ExitCode.OUT_OF_MEMORY)}})
    trouble = trouble_of(see(ended, 1.0))
    assert (trouble.cause, trouble.infrastructure) == (Cause.OUT_OF_MEMORY, False)
    assert "memory" in trouble.sentence


@pytest.mark.parametrize("code", [ExitCode.FAILED, ExitCode.NO_WORKLOAD, ExitCode.NO_KEY])
def test_a_worker_that_another_one_would_not_do_better_than_is_not_followed(code: ExitCode) -> None:
    seen = see(pod("Failed", {"terminated": {"exitCode": int(code)}}), 1.0)
    assert not trouble_of(seen).infrastructure
