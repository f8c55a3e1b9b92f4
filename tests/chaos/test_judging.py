"""The judge sees each broken promise, and none where there is none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.chaos.faults import CLEAR, Fault, Faults, Where
from tests.chaos.judging import (
    CAUSE,
    INFRASTRUCTURE,
    LOST,
    ONCE,
    PODS,
    SCHEDULERS,
    SLOTS,
    TRIES,
    TWICE,
    TWO_PODS,
    Evidence,
    judge,
)
from tests.chaos.plans import ENDLESS, Mishap, Plan, Work, plans_for, strikes_for
from tests.chaos.rows import TaskEnd

REST = {"slots": 0, "running": [], "census": {}}


def heard(index: int, state: str) -> dict[str, Any]:
    return {"what": "heard", "index": index, "state": state}


def queued(index: int) -> dict[str, Any]:
    return {"what": "queued", "index": index}


GOOD = Evidence(
    plans=[Plan(0, Work.SUCCEED, 0.0), Plan(1, Work.FAIL, 0.0), Plan(2, Work.OUT_OF_MEMORY, 0.0)],
    ends=[
        TaskEnd(0, "success", 1, "a"),
        TaskEnd(1, "failed", 1, "b"),
        TaskEnd(2, "failed", 1, "c", ("It used more memory than its limit.",)),
    ],
    lives=[[queued(0), heard(0, "queued"), heard(0, "success")]],
    statuses=[REST],
)


def test_a_good_run_has_no_broken_promise() -> None:
    assert judge(GOOD) == []


def with_end(index: int, **changes: Any) -> Evidence:
    ends = list(GOOD.ends)
    ends[index] = replace(ends[index], **changes)
    return replace(GOOD, ends=ends)


@pytest.mark.parametrize(
    ("evidence", "promise"),
    [
        (with_end(0, state="running"), LOST),
        (with_end(0, state=None), LOST),
        (with_end(0, state="failed"), INFRASTRUCTURE),
        # Airflow found a success that it had not been told of, and took the executor's word.
        (with_end(0, mismatches=("finished with state success",)), INFRASTRUCTURE),
        (with_end(0, try_number=2), TRIES),
        (with_end(2, mismatches=("It failed because of None.",)), CAUSE),
        (with_end(2, state="success"), CAUSE),
        (replace(GOOD, ran_together=["both"]), TWICE),
        (replace(GOOD, lived_together=["both"]), TWO_PODS),
        (replace(GOOD, pods_left=["pod"]), PODS),
        (replace(GOOD, statuses=[REST | {"slots": 1}]), SLOTS),
        (replace(GOOD, statuses=[REST | {"census": {"deleting": 1}}]), SLOTS),
        (replace(GOOD, statuses=[REST | {"slots": None}]), SLOTS),
        (replace(GOOD, lives=[[queued(0), heard(0, "success"), heard(0, "success")]]), ONCE),
        (replace(GOOD, lives=[[heard(0, "failed")]]), ONCE),
        (replace(GOOD, failures=["scheduler-1 ended"]), SCHEDULERS),
    ],
)
def test_a_broken_promise_is_seen(evidence: Evidence, promise: str) -> None:
    assert [each.promise for each in judge(evidence)] == [promise]


def test_a_slot_that_a_killed_scheduler_held_too_long_is_seen() -> None:
    life = [queued(0), {"what": "status", "at": 100.0, "running": [0]}]
    ends = [replace(GOOD.ends[0], ended=90.0), *GOOD.ends[1:]]
    assert judge(replace(GOOD, lives=[life], ends=ends)) == []
    ends[0] = replace(ends[0], ended=50.0)
    assert [each.promise for each in judge(replace(GOOD, lives=[life], ends=ends))] == [SLOTS]


def test_a_slot_is_held_for_as_long_as_the_server_does_not_know_of_the_pods_end() -> None:
    life = [queued(0), {"what": "status", "at": 100.0, "running": [0]}]
    ends = [replace(GOOD.ends[0], ended=50.0), *GOOD.ends[1:]]
    late, later = replace(GOOD, lives=[life], ends=ends, overs={0: 55.0}), {0: 65.0}
    assert [each.promise for each in judge(late)] == [SLOTS]
    assert judge(replace(late, overs=later)) == []


def test_a_task_that_is_queued_twice_may_end_twice() -> None:
    life = [queued(0), heard(0, "success"), queued(0), heard(0, "success")]
    assert judge(replace(GOOD, lives=[life])) == []


def test_each_scheduler_that_took_a_task_over_may_report_it() -> None:
    first = [queued(0), heard(0, "success")]
    second = [{"what": "adopted", "index": 0}, heard(0, "success")]
    assert judge(replace(GOOD, lives=[first, second])) == []


def test_a_task_that_is_evicted_for_ever_fails_and_says_so() -> None:
    plan = Plan(0, Work.SUCCEED, 30.0, Mishap.EVICTED, ENDLESS)
    end = TaskEnd(0, "failed", 1, "a", ("The pod was evicted.",))
    pending = replace(end, mismatches=("The pod was deleted before it was seen to run.",))
    running = replace(end, mismatches=("The pod was deleted while its task was running.",))
    for good in (end, pending, running):
        assert judge(Evidence([plan], [good], [])) == []
    for bad in (replace(end, state="success"), replace(end, mismatches=("It failed.",))):
        assert judge(Evidence([plan], [bad], []))[0].promise == CAUSE


def test_a_seed_gives_the_same_plans_and_blows() -> None:
    assert plans_for(7, 200) == plans_for(7, 200)
    assert plans_for(7, 200) != plans_for(8, 200)
    assert strikes_for(7, 2) == strikes_for(7, 2)


def test_a_seed_gives_the_same_faults_and_every_kind_of_them() -> None:
    def draw(seed: int) -> list[Fault | None]:
        faults = Faults(seed)
        drawn = []
        for _ in range(3000):
            faults.change_weather()
            drawn += [faults.draw(where) for where in Where for _ in range(3)]
        assert faults.counts.total() == sum(each is not None for each in drawn)
        return drawn

    drawn = draw(3)
    assert drawn == draw(3)
    assert set(Fault) <= set(drawn)


def test_when_it_has_cleared_up_nothing_goes_wrong() -> None:
    faults = Faults(1)
    faults.change_weather()
    faults.clear_up()
    assert faults.weather is CLEAR
    assert all(faults.draw(where) is None for where in Where for _ in range(100))
