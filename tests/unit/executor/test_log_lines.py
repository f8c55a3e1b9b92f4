"""Lines that Airflow's own log reader takes as it takes a task's."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.utils.log.file_task_handler import StructuredLogMessage

from podlift.executor.log_lines import cause_lines, log_line
from podlift.pods.reading import Event

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_airflow_reads_a_line() -> None:
    read = StructuredLogMessage.model_validate_json(
        log_line('über "x"\nmore', level="error", at=AT)
    )
    assert read.event == 'über "x"\nmore'
    assert read.timestamp == AT
    assert read.model_extra == {"level": "error", "logger": "podlift.executor"}


def test_a_cause_comes_after_the_events_that_led_to_it() -> None:
    later = Event(reason="BackOff", message="later", type="Warning", count=7, last_timestamp=AT)
    first = Event(reason="Pulling", message="first ", event_time=datetime(2026, 1, 1, tzinfo=UTC))
    lines = cause_lines("the-pod", "It failed.", [later, first]).splitlines()
    read = [StructuredLogMessage.model_validate_json(line) for line in lines]
    assert [line.event for line in read] == [
        "Kubernetes: Pulling: first",
        "Kubernetes: BackOff: later (7 times)",
        "Pod the-pod: It failed.",
    ]
    assert read == sorted(read)
