"""Refusals become errors that programs can tell apart and people can read."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from podlift.kube import errors
from podlift.kube.errors import ApiError, Status, error_from_answer, error_from_status

RECORDINGS = Path(__file__).parents[2] / "data" / "kube-recordings"


def _recorded() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for file in ("api-pods.json", "api-limits-and-access.json"):
        for record in json.loads((RECORDINGS / file).read_text()):
            found[record["name"]] = record["response"]
    return found


RECORDED = _recorded()
REFUSED = {name: answer for name, answer in RECORDED.items() if answer["status"] >= 400}


def _error(name: str) -> ApiError:
    answer = RECORDED[name]
    body = json.dumps(answer["body"]).encode()
    return error_from_answer(answer["status"], body, answer.get("headers", {}))


@pytest.mark.parametrize("name", REFUSED)
def test_every_recorded_refusal_keeps_its_status_reason_and_message(name: str) -> None:
    error = _error(name)
    body = REFUSED[name]["body"]
    assert error.status == REFUSED[name]["status"]
    assert error.reason == body.get("reason", "")
    assert error.message == body["message"]
    assert error.details.name == body.get("details", {}).get("name", "")


@pytest.mark.parametrize(
    ("name", "kind", "transient"),
    [
        ("create again: already exists", errors.AlreadyExists, False),
        ("patch with stale resourceVersion", errors.Conflict, False),
        ("delete with wrong uid precondition", errors.Conflict, False),
        ("get missing", errors.NotFound, False),
        ("create in a namespace that does not exist", errors.NotFound, False),
        ("create bad quantity", errors.BadRequest, False),
        ("create invalid label value", errors.Invalid, False),
        ("bad bearer token", errors.Unauthorized, False),
        ("forbidden create", errors.Forbidden, False),
        ("create over quota", errors.Forbidden, True),
        ("create over LimitRange", errors.Forbidden, False),
        ("create without request where quota needs one", errors.Forbidden, False),
        ("object of 2 MB", errors.ServerError, False),
        ("list resourceVersion far in the future", errors.ServerError, True),
        ("method not allowed", ApiError, False),
        ("request of 4 MB", ApiError, False),
    ],
)
def test_recorded_refusals_are_told_apart(name: str, kind: type[ApiError], transient: bool) -> None:
    error = _error(name)
    assert type(error) is kind
    assert error.transient is transient


def test_a_used_up_quota_is_known_from_other_ways_of_being_forbidden() -> None:
    forbidden = {name for name in REFUSED if isinstance(_error(name), errors.Forbidden)}
    exceeded = {
        name
        for name in forbidden
        if isinstance(error := _error(name), errors.Forbidden) and error.quota_exceeded
    }
    assert exceeded == {"create over quota"}
    assert len(forbidden) > 5


def test_a_namespace_under_deletion_is_known() -> None:
    error = _error("create in a terminating namespace")
    assert isinstance(error, errors.Forbidden)
    assert error.namespace_terminating


def test_an_invalid_object_names_its_fields() -> None:
    error = _error("create volumeMount to unknown volume")
    fields = [cause.field for cause in error.details.causes]
    assert fields == ["spec.containers[0].volumeMounts[0].name"]


def test_an_expired_watch_event_is_gone() -> None:
    event = RECORDED["watch from an expired resourceVersion"]["body"]
    status = Status(code=event["object"]["code"], message=event["object"]["message"])
    assert isinstance(error_from_status(status), errors.Gone)


def test_the_wait_comes_from_the_header_or_from_the_status() -> None:
    assert _error("list resourceVersion far in the future").retry_after == 1
    body = b'{"kind":"Status","message":"busy","code":429,"details":{"retryAfterSeconds":7}}'
    assert error_from_answer(429, body, {}).retry_after == 7
    assert error_from_answer(429, body, {"Retry-After": "3"}).retry_after == 3
    assert error_from_answer(429, b"", {}).retry_after is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(None, None), ("", None), ("2", 2.0), ("-1", 0.0), ("soon", None)],
)
def test_retry_after_is_read_as_seconds(value: str | None, seconds: float | None) -> None:
    assert errors.parse_retry_after(value) == seconds


def test_retry_after_is_read_as_a_date() -> None:
    assert errors.parse_retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    far = errors.parse_retry_after("Fri, 31 Dec 9999 23:59:59 GMT")
    assert far is not None
    assert far > 1e9


@pytest.mark.parametrize("body", [b"<html>502 Bad Gateway</html>", b"", b"[1]", b'{"kind":"Pod"}'])
def test_an_answer_that_is_not_a_status_is_quoted_with_what_was_asked(body: bytes) -> None:
    error = error_from_answer(502, body, {}, "GET /api/v1/pods")
    assert isinstance(error, errors.ServerError)
    assert error.transient
    assert "GET /api/v1/pods" in str(error)
    assert body.decode()[:20] in str(error)


def test_the_api_servers_own_timeout_is_told_in_its_words() -> None:
    body = (  # as kube-apiserver 1.36 answers after a minute, without kind and apiVersion
        b'{"metadata":{},"status":"Failure","message":"Timeout: request did not complete within '
        b'the allotted timeout","reason":"Timeout","details":{},"code":504}'
    )
    error = error_from_answer(504, body, {}, "DELETE /api/v1/namespaces/ns/pods")
    assert error.reason == "Timeout"
    assert error.message == "Timeout: request did not complete within the allotted timeout"
    assert error.transient


def test_the_http_status_counts_where_the_body_says_another() -> None:
    body = b'{"kind":"Status","message":"x","code":500}'
    assert error_from_answer(404, body, {}).status == 404


def test_a_collision_in_the_bookkeeping_of_a_quota_passes() -> None:
    body = json.dumps(
        {
            "kind": "Status",
            "reason": "Conflict",
            "message": 'Operation cannot be fulfilled on resourcequotas "q": the object has '
            "been modified",
            "details": {"name": "q", "kind": "resourcequotas"},
        }
    )
    error = error_from_answer(409, body.encode(), {})
    assert type(error) is errors.Conflict
    assert error.transient


def test_messages_say_what_to_do_about_credentials() -> None:
    assert "log in again" in str(_error("bad bearer token"))
    assert "no credentials" in str(_error("no credentials"))
    assert "no credentials" not in str(_error("forbidden create"))


def test_errors_survive_pickling() -> None:
    error = _error("create over quota")
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.details, type(copy)) == (str(error), error.details, type(error))
