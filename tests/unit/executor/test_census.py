"""How things stand, counted and told."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from podlift.executor.census import count, page
from podlift.executor.execution import Execution
from podlift.executor.state import Record, State, Trouble
from podlift.pods.labels import Identity
from podlift.pods.reading import read_pod


def execution(state: State, pod: dict[str, Any] | None = None, **facts: Any) -> Execution:
    return Execution(
        id="e",
        number=1,
        key=None,  # type: ignore[arg-type]
        whose=Identity(dag_id="d", task_id="t", run_id="r", ti_id="u"),
        parts=("d", "t"),
        namespace="n",
        log_path=None,
        record=Record(state=state),
        pod=None if pod is None else read_pod(pod),
        **facts,
    )


def pulling(reason: str) -> dict[str, Any]:
    waiting = {"name": "base", "state": {"waiting": {"reason": reason, "message": "no such image"}}}
    return {
        "metadata": {"name": "p"},
        "spec": {"nodeName": "n"},
        "status": {"phase": "Pending", "containerStatuses": [waiting]},
    }


def test_every_state_is_counted_also_with_nothing_in_it() -> None:
    census = count([execution(State.QUEUED), execution(State.RUNNING)], 0.0)
    assert census.by_state["queued"] == census.by_state["running"] == 1
    assert census.by_state["deleting"] == 0


def test_pods_pend_for_a_reason_each() -> None:
    waiting = [
        execution(State.PENDING),
        execution(State.PENDING, {"metadata": {}, "spec": {"nodeName": "n"}}),
        execution(State.PENDING, pulling("ErrImagePull")),
    ]
    pending = count(waiting, 0.0).pending
    assert {name: number for name, number in pending.items() if number} == {
        "scheduling": 1,
        "starting": 1,
        "image_pull": 1,
    }


def test_a_pod_that_changed_has_another_reason() -> None:
    each = execution(State.PENDING, pulling("ErrImagePull"))
    assert count([each], 0.0).pending["image_pull"] == 1
    each.pod = read_pod({"metadata": {}, "spec": {"nodeName": "n"}})
    assert count([each], 0.0).pending["image_pull"] == 0


def test_who_waits_longest_comes_first_with_its_reason_in_words() -> None:
    young = execution(State.PENDING, created_at=90.0, pod_name="young")
    old = execution(State.PENDING, created_at=10.0, pod_name="old")
    old.record = replace(old.record, trouble=Trouble("unschedulable", "No node has room."))
    text = page(count([young, old], 100.0), 12.5, 0.25)
    assert text.index("old, 90 s: No node has room.") < text.index("young, 10 s: scheduling")
    assert "creations allowed per second: 12.5" in text
    assert "0.250 s" in text
