"""The story of a task instance, and its moral."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from podlift.commands.explaining.cluster import Launch, Traces
from podlift.commands.explaining.conclusion import conclude, known_cause
from podlift.commands.explaining.logs import Line
from podlift.commands.explaining.records import Entry, Records, Try
from podlift.commands.explaining.steps import steps_of
from podlift.pods.causes import POLICIES, Cause
from podlift.pods.reading import Event

if TYPE_CHECKING:
    from tests.unit.commands.conftest import MakePod

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
OOM = {"terminated": {"exitCode": 137, "reason": "OOMKilled", "finishedAt": "2026-01-02T12:00:00Z"}}
POD = "etl-load-x-1"


def a_try(state: str | None = "failed", number: int = 1, **values: Any) -> Try:
    return Try(ti_id="t", number=number, state=state, **values)


def records(
    *tries: Try, entries: tuple[Entry, ...] = (), live: frozenset[int] = frozenset()
) -> Any:
    return Records(
        dag_id="etl",
        task_id="load",
        run_id="r1",
        map_index=2,
        tries=tries,
        entries=entries,
        live_jobs=live,
    )


def own(text: str, level: str = "error", seconds: float = 0) -> Line:
    return Line(NOON + timedelta(seconds=seconds), level, text, 1, True)


def of_task(text: str, seconds: float = 0) -> Line:
    return Line(NOON + timedelta(seconds=seconds), "error", text, 1, False)


def told(text: str, number: int | None = 1) -> Entry:
    return Entry(NOON, "podlift", text, number)


@pytest.mark.parametrize("cause", list(Cause))
def test_a_text_that_podlift_wrote_is_taken_apart_again(cause: Cause) -> None:
    text = f"Pod p: Something happened. {POLICIES[cause].remedy}"
    sentence, remedy, found = known_cause(text)
    assert (sentence, remedy) == ("Pod p: Something happened.", POLICIES[cause].remedy)
    assert found is not None
    assert POLICIES[found].remedy == remedy
    assert known_cause("No remedy.") == ("No remedy.", "", None)


def test_a_pod_that_is_there_says_most(make_pod: MakePod) -> None:
    each = a_try()
    traces = Traces((Launch(POD, 1, 1, make_pod("Failed", OOM)),))
    found = conclude(each, records(each, entries=(told("Waited."),)), traces, [own("Other.")])
    assert (found.cause, found.known_from) == (Cause.OUT_OF_MEMORY, f"pod {POD}")


def test_a_worker_that_reported_a_failure_leads_to_the_tasks_error(make_pod: MakePod) -> None:
    ended = {"terminated": {"exitCode": 1, "finishedAt": "2026-01-02T12:00:00Z"}}
    each = a_try()
    traces = Traces((Launch(POD, 1, 1, make_pod("Failed", ended)),))
    found = conclude(each, records(each), traces, [of_task("ValueError: no")])
    assert found.sentence == "The task itself failed: ValueError: no"
    assert conclude(each, records(each), traces, []).sentence == "The task itself failed."


def test_what_came_last_in_the_log_counts() -> None:
    each = a_try()
    lost, error = own("Pod p: It was evicted.", seconds=1), of_task("ValueError", seconds=2)
    assert conclude(each, records(each), Traces(), [lost, error]).sentence.endswith("ValueError")
    killed = of_task("SIGTERM", seconds=0)
    assert conclude(each, records(each), Traces(), [killed, lost]).sentence == lost.text
    other = Line(NOON, "error", "Of another try.", 2, True)
    assert conclude(each, records(each), Traces(), [other]).known_from == "Airflow's database"


def test_without_a_log_the_event_log_is_asked_then_kubernetes_events() -> None:
    each = a_try("queued", job_id=7)
    of_pod = Event(reason="FailedMount", message="no volume", type="Warning", last_timestamp=NOON)
    traces = Traces((Launch(POD, 1, 1, None, (of_pod,)),))
    both = conclude(each, records(each, entries=(told("The quota is used up."),)), traces, [])
    assert both.known_from == "the task's event log"
    assert "no volume" in conclude(each, records(each), traces, []).sentence
    former = records(each, entries=(told("Long ago.", 2),))
    assert conclude(each, former, Traces(), []).known_from == "Airflow's database"


@pytest.mark.parametrize(
    ("live", "problem", "words"),
    [
        (frozenset({7}), "", "its pod is not created yet"),
        (frozenset(), "", "job 7, which is no longer alive"),
        (frozenset({7}), "unreachable", "the cluster cannot be asked"),
    ],
)
def test_a_queued_task_without_a_trace(live: frozenset[int], problem: str, words: str) -> None:
    each = a_try("queued", job_id=7)
    found = conclude(each, records(each, live=live), Traces(problem=problem), [])
    assert words in found.sentence
    assert found.remedy


@pytest.mark.parametrize(
    "state",
    [None, "scheduled", "running", "failed", "up_for_retry", "deferred", "upstream_failed", "new"],
)
def test_there_is_something_to_say_of_every_state(state: str | None) -> None:
    each = a_try(state)
    assert conclude(each, records(each), Traces(), []).sentence
    assert conclude(a_try("success"), records(each), Traces(), []).sentence == "Try 1 succeeded."


def test_everything_is_told_in_order_and_once(make_pod: MakePod) -> None:
    event = Event(reason="Started", message="Started container base", last_timestamp=NOON)
    pod = make_pod("Failed", OOM, metadata={"creationTimestamp": "2026-01-02T11:00:00Z"})
    each = a_try(queued=NOON - timedelta(hours=2), ended=NOON + timedelta(seconds=9), job_id=7)
    lines = [
        own("Kubernetes: Started: Started container base", "info"),
        own("Pod p: It ran out of memory."),
        Line(None, "warning", "No log.", 1, True),
    ]
    entries = (told("It ran out of memory."), Entry(NOON, "clear", "by hand", None, "admin"))
    launches = (Launch(POD, 1, 1, pod, (event,)), Launch("other-1", 1, 2, pod))
    steps = steps_of(records(each, entries=entries), Traces(launches), lines, [each])
    words = [step.what for step in steps]
    assert words[0] == "Try 1 was queued by scheduler job 7, which is no longer alive."
    assert words[1].startswith(f"Pod {POD} was created")
    assert words[-2:] == ["Try 1 ended: failed.", "No log."]
    assert sum("ran out of memory" in each for each in words) == 1
    assert sum("Started container base" in each for each in words) == 1
    assert "Event log: clear by admin: by hand" in words
    assert not any("other-1" in each for each in words)
