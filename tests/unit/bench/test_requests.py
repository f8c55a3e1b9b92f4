from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench.side_by_side.requests import Listening, by_verb, creations, last_deletion, read


def line(stage: str, verb: str, code: int = 200, **more: Any) -> bytes:
    event = {
        "kind": "Event",
        "stage": stage,
        "verb": verb,
        "stageTimestamp": "2026-11-22T10:00:02.500000Z",
        "objectRef": {"resource": "pods", "namespace": "bench"},
        "responseStatus": {"metadata": {}, "code": code},
    }
    return json.dumps(event | more).encode() + b"\n"


LOG = [
    line("ResponseComplete", "create", 201),
    line("ResponseStarted", "watch"),
    line("ResponseComplete", "watch"),
    line("ResponseStarted", "watch"),  # goes on
    line("ResponseComplete", "delete", objectRef={"resource": "pods", "subresource": "status"}),
    line("ResponseComplete", "get", objectRef=None),
]


def test_every_request_counts_once_and_a_watch_when_it_begins() -> None:
    assert by_verb(read(LOG)) == {
        "create pods": 1,
        "delete pods/status": 1,
        "get": 1,
        "watch pods": 2,
    }


def test_only_what_was_created_tells_when() -> None:
    refused = line("ResponseComplete", "create", 429)
    began = read(LOG)[0].moment - 1.5
    assert creations(read([*LOG, refused]), began) == [1.5]


def test_what_was_there_before_is_not_heard(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    log.write_bytes(b"".join(LOG))
    listening = Listening(log)
    with log.open("ab") as more:
        more.write(line("ResponseComplete", "list"))
    heard = listening.heard()
    assert heard is not None
    assert by_verb(heard) == {"list pods": 1}


def test_without_a_log_nothing_is_counted() -> None:
    assert Listening(None).heard() is None


def test_the_last_pod_is_gone_with_the_last_deletion_that_found_one() -> None:
    late = "2026-11-22T10:00:09.000000Z"
    log = [
        line("ResponseComplete", "delete"),
        line("ResponseComplete", "delete", 404, stageTimestamp=late),
    ]
    began = read(log)[0].moment - 2.0
    assert last_deletion(read(log), began) == 2.0
    assert last_deletion([], began) is None
