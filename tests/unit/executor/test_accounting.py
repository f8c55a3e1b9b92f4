"""What the steps of an execution mean for the metrics."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from podlift.executor import metrics
from podlift.executor.accounting import Accounts
from podlift.executor.execution import Execution
from podlift.executor.observations import Created, LogKept, Requeued
from podlift.executor.state import Record, State, Verdict
from podlift.pods.labels import Identity


class Heard:
    """Stands where Airflow's metrics are."""

    def __init__(self) -> None:
        self.counts: list[str] = []
        self.times: dict[str, float] = {}

    def incr(self, name: str, tags: Any = None) -> None:
        self.counts.append(name.removeprefix("podlift."))

    def timing(self, name: str, milliseconds: float, tags: Any = None) -> None:
        self.times[name.removeprefix("podlift.")] = milliseconds


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Heard:
    hears = Heard()
    monkeypatch.setattr(metrics, "_stats", lambda: hears)
    return hears


class Run:
    """An execution, its accounts, and a clock that is moved by hand."""

    def __init__(self, record: Record) -> None:
        self.now = 0.0
        self.accounts = Accounts(lambda: self.now)
        self.execution = Execution(
            id="e",
            number=1,
            key=None,  # type: ignore[arg-type]
            whose=Identity(dag_id="d", task_id="t", run_id="r", ti_id="u"),
            parts=("d", "t"),
            namespace="n",
            log_path=None,
            record=record,
        )

    def step(self, observation: Any, **changes: Any) -> None:
        before = self.execution.record
        self.execution.record = replace(before, **changes)
        self.accounts.moved(self.execution, before, observation)


def test_the_time_from_creation_to_start(heard: Heard) -> None:
    run = Run(Record(state=State.CREATING))
    run.step(Created("uid"), state=State.PENDING)
    run.now = 2.5
    run.step(None, state=State.RUNNING)
    assert heard.times["pods.start_time"] == 2500.0


def test_the_watch_may_be_faster_than_the_answer(heard: Heard) -> None:
    run = Run(Record(state=State.CREATING))
    run.accounts.first_seen(run.execution)
    run.now = 1.0
    run.step(Created("uid"), state=State.PENDING)
    assert heard.times == {"watch.lag": 0.0}
    assert run.execution.created_at == 0.0


def test_a_pod_that_the_infrastructure_took_is_a_retry_and_no_end(heard: Heard) -> None:
    evicted = Verdict(False, "Evicted.", "evicted")
    run = Run(Record(state=State.KEEPING_LOG, verdict=evicted))
    run.step(LogKept("Evicted."), state=State.REQUEUEING)
    run.step(Requeued(True), state=State.QUEUED, launch=2, replaced=1, verdict=None)
    assert heard.counts == ["infrastructure_retries", "infrastructure_retries.evicted"]


@pytest.mark.parametrize(
    ("verdict", "counts"),
    [
        (Verdict(True), ["executions.succeeded"]),
        (
            Verdict(False, "Killed.", "out_of_memory"),
            ["executions.failed", "executions.failed.out_of_memory"],
        ),
        (Verdict(False, "No."), ["executions.failed", "executions.failed.refused"]),
    ],
)
def test_an_end_is_counted_when_it_is_reported(
    verdict: Verdict, counts: list[str], heard: Heard
) -> None:
    run = Run(Record(state=State.RUNNING))
    run.step(None, state=State.KEEPING_LOG, verdict=verdict)
    assert heard.counts == []
    run.step(LogKept(""), state=State.DELETING, silent=True)
    run.step(None, state=State.GONE)
    assert heard.counts == counts


def test_what_was_taken_back_has_no_end(heard: Heard) -> None:
    run = Run(Record(state=State.KEEPING_LOG, verdict=Verdict(True), silent=True))
    run.step(LogKept(""), state=State.DELETING)
    assert heard.counts == []
