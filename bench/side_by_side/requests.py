"""What the API server was asked, from its audit log.

https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/#audit-k8s-io-v1-Event
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec


class _Object(msgspec.Struct):
    resource: str = ""
    subresource: str = ""


class _Response(msgspec.Struct):
    code: int = 0


class _Event(msgspec.Struct, rename="camel"):
    stage: str
    verb: str
    stage_timestamp: datetime
    object_ref: _Object | None = None
    response_status: _Response | None = None


@dataclass(frozen=True)
class Request:
    """One request and its answer; ``moment`` is when it was answered, in seconds of the epoch."""

    verb: str
    resource: str
    code: int
    moment: float


def read(lines: Iterable[bytes]) -> list[Request]:
    """The requests that an audit log tells of, each once: a watch when it began."""
    decoder = msgspec.json.Decoder(_Event)
    found = []
    for line in lines:
        event = decoder.decode(line)
        first = "ResponseStarted" if event.verb == "watch" else "ResponseComplete"
        if event.stage == first:
            what = event.object_ref or _Object()
            resource = f"{what.resource}/{what.subresource}" if what.subresource else what.resource
            answer = event.response_status or _Response()
            found.append(
                Request(event.verb, resource, answer.code, event.stage_timestamp.timestamp())
            )
    return found


class Listening:
    """What is added to the log from now on."""

    def __init__(self, log: Path | None) -> None:
        self._log = log
        self._from = log.stat().st_size if log is not None and log.exists() else 0

    def heard(self) -> list[Request] | None:
        """The requests since; None where there is no log."""
        if self._log is None:
            return None
        with self._log.open("rb") as log:
            log.seek(self._from)
            return read(log)


def by_verb(requests: Iterable[Request]) -> dict[str, int]:
    """How many of each kind: ``create pods``."""
    kinds = Counter(f"{request.verb} {request.resource}".strip() for request in requests)
    return dict(sorted(kinds.items()))


def creations(requests: Iterable[Request], since: float) -> list[float]:
    """Seconds from a moment until each pod was created, in order."""
    return sorted(
        request.moment - since
        for request in requests
        if (request.verb, request.resource, request.code) == ("create", "pods", 201)
    )


def last_deletion(requests: Iterable[Request], since: float) -> float | None:
    """Seconds from a moment until the last pod was deleted; None when none was."""
    moments = [
        request.moment - since
        for request in requests
        if (request.verb, request.resource, request.code) == ("delete", "pods", 200)
    ]
    return max(moments, default=None)
