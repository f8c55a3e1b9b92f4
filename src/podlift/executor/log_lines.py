"""Log lines in the form that Airflow 3 writes and its UI reads: one JSON object each. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from podlift.pods.reading import Event

LOGGER = "podlift.executor"


def log_line(
    event: str, *, level: str = "info", at: datetime | None = None, pod_uid: str = ""
) -> bytes:
    """One line, with its newline. Airflow orders what it shows by the time."""
    moment = (at or datetime.now(UTC)).astimezone(UTC)
    return _line(event, level, timestamp=moment.isoformat().replace("+00:00", "Z"), pod_uid=pod_uid)


def undated_line(event: str, *, level: str = "info") -> bytes:
    """A line that Airflow leaves where it is, between those before and after it."""
    return _line(event, level)


def cause_lines(pod_name: str, sentence: str, events: Sequence[Event], pod_uid: str = "") -> bytes:
    """What the log says of a pod that never ran or died: its events, then the cause."""
    about = f"Pod {pod_name}: " if pod_name else ""
    cause = log_line(f"{about}{sentence}", level="error", pod_uid=pod_uid)
    lines = [*event_lines(events), cause]
    return b"".join(lines)


def event_lines(events: Sequence[Event]) -> Iterable[bytes]:
    """What Kubernetes had to say of a pod, in the order of time."""
    for event in sorted(events, key=_when):
        times = f" ({event.count} times)" if event.count and event.count > 1 else ""
        yield log_line(
            f"Kubernetes: {event.reason}: {event.message.strip()}{times}",
            level="warning" if event.type == "Warning" else "info",
            at=_when(event)[0],
        )


def _when(event: Event) -> tuple[datetime, str]:
    """Most components tell whole seconds only; within one the names go on with the time."""
    return event.last_seen.replace(microsecond=0), event.metadata.name


def _line(event: str, level: str, *, timestamp: str = "", pod_uid: str = "") -> bytes:
    line = {
        "timestamp": timestamp,
        "level": level,
        "event": event,
        "logger": LOGGER,
        "pod_uid": pod_uid,
    }
    said = {name: value for name, value in line.items() if value}
    return json.dumps(said, ensure_ascii=False).encode("utf-8") + b"\n"
