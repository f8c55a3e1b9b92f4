"""Log lines in the form that Airflow 3 writes and its UI reads: one JSON object each. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from podlift.pods.reading import Event

LOGGER = "podlift.executor"


def log_line(event: str, *, level: str = "info", at: datetime | None = None) -> bytes:
    """One line, with its newline. Airflow orders what it shows by the time."""
    moment = (at or datetime.now(UTC)).astimezone(UTC)
    line = {
        "timestamp": moment.isoformat().replace("+00:00", "Z"),
        "level": level,
        "event": event,
        "logger": LOGGER,
    }
    return json.dumps(line, ensure_ascii=False).encode("utf-8") + b"\n"


def cause_lines(pod_name: str, sentence: str, events: Sequence[Event]) -> bytes:
    """What the log says of a pod that never ran or died: its events, then the cause."""
    about = f"Pod {pod_name}: " if pod_name else ""
    lines = [*_event_lines(events), log_line(f"{about}{sentence}", level="error")]
    return b"".join(lines)


def _event_lines(events: Sequence[Event]) -> Iterable[bytes]:
    for event in sorted(events, key=lambda each: each.last_seen):
        times = f" ({event.count} times)" if event.count and event.count > 1 else ""
        yield log_line(
            f"Kubernetes: {event.reason}: {event.message.strip()}{times}",
            level="warning" if event.type == "Warning" else "info",
            at=event.last_seen,
        )
