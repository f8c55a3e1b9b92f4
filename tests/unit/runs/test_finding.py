"""Which pod a try goes on with."""

from __future__ import annotations

import pytest

from podlift.pods.labels import Identity, annotations_of, labels_of
from podlift.pods.reading import Pod, read_pod
from podlift.runs.finding import JUDGED, choose
from podlift.runs.noting import TOLD, noted

ME = Identity(dag_id="d", task_id="t", run_id="r", ti_id="third", try_number=3)


def left(phase: str = "Running", *, ti_id: str = "second", launch: int = 1, **other: object) -> Pod:
    tries = {"first": 1, "second": 2, "third": 3}
    identity = {"dag_id": "d", "task_id": "t", "run_id": "r", "try_number": tries[ti_id]} | other
    owner = Identity(ti_id=ti_id, launch=launch, **identity)  # type: ignore[arg-type]
    metadata = {
        "name": f"{ti_id}-{launch}",
        "uid": f"{ti_id}-{launch}",
        "labels": labels_of(owner, component="operator"),
        "annotations": annotations_of(owner),
    }
    return read_pod({"metadata": metadata, "status": {"phase": phase}})


def judged(pod: Pod) -> Pod:
    pod.metadata.labels[JUDGED] = "true"
    return pod


def names(chosen: Pod | None, others: list[Pod]) -> tuple[str | None, list[str]]:
    return chosen.metadata.name if chosen else None, [pod.metadata.name for pod in others]


def chosen(*pods: Pod, durable: bool = True) -> tuple[str | None, list[str]]:
    return names(*choose(pods, ME, durable=durable))


@pytest.mark.parametrize("phase", ["Pending", "Running", "Succeeded"])
def test_a_pod_of_an_earlier_try_is_gone_on_with_while_it_may_succeed(phase: str) -> None:
    assert chosen(left(phase)) == ("second-1", [])


def test_its_failure_was_the_earlier_trys() -> None:
    assert chosen(left("Failed")) == (None, [])


def test_the_failure_of_a_pod_of_this_try_is_its_own() -> None:
    assert chosen(left("Failed", ti_id="third")) == ("third-1", [])


def test_the_newest_is_taken_and_the_others_must_go() -> None:
    older, newer = left(ti_id="first"), left(ti_id="second", launch=2)
    assert chosen(newer, older) == ("second-2", ["first-1"])


def test_without_durability_all_must_go_but_this_trys_own() -> None:
    assert chosen(left(), durable=False) == (None, ["second-1"])
    assert chosen(left(), left(ti_id="third"), durable=False) == ("third-1", ["second-1"])


def test_a_pod_that_was_judged_is_left_alone() -> None:
    assert chosen(judged(left("Succeeded"))) == (None, [])


@pytest.mark.parametrize("other", [{"run_id": "another"}, {"map_index": 4}, {"dag_id": "e"}])
def test_another_tasks_pod_is_left_alone(other: dict[str, object]) -> None:
    assert chosen(left(**other)) == (None, [])  # type: ignore[arg-type]


def test_a_pod_that_is_being_deleted_is_left_alone() -> None:
    pod = read_pod(
        {
            "metadata": {
                "name": "second-1",
                "annotations": dict(left().metadata.annotations),
                "deletionTimestamp": "2026-11-22T00:00:00Z",
            }
        }
    )
    assert chosen(pod) == (None, [])


@pytest.mark.parametrize("text", ["", "no JSON", "[]", '{"base": {"latest": 3}}'])
def test_what_somebody_wrote_over_a_note_is_no_note(text: str) -> None:
    pod = read_pod({"metadata": {"annotations": {TOLD: text}}})
    assert noted(pod) == {}
