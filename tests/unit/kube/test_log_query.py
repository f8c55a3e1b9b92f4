"""What is asked of the server for a log."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from podlift.kube.logs import log_query


def test_only_what_is_set_is_asked() -> None:
    assert log_query(None, None, None, False, False, None) == []
    assert log_query("base", 0, "2026-01-01T00:00:00.123456789Z", True, True, 9) == [
        ("container", "base"),
        ("tailLines", "0"),
        ("sinceTime", "2026-01-01T00:00:00.123456789Z"),
        ("timestamps", "true"),
        ("previous", "true"),
        ("limitBytes", "9"),
    ]


def test_moments_are_sent_in_universal_time() -> None:
    moment = datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    assert log_query(None, None, moment, False, False, None) == [
        ("sinceTime", "2026-01-01T00:00:00Z")
    ]
    assert moment == datetime(2026, 1, 1, tzinfo=UTC)


def test_a_moment_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        log_query(None, None, datetime(2026, 1, 1), False, False, None)
