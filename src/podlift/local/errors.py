"""What can go wrong in the local cluster.

::

    LocalError                      a sentence for the person who starts or stops the cluster
      AlreadyRunning  NotRunning  PortTaken  HomeUnusable
      StartFailed  StopFailed  StateUnreadable
    ApiStatus                       an answer of the API server, a Kubernetes Status
      BadRequest 400   Unauthorized 401   Forbidden 403   NotFound 404   MethodNotAllowed 405
      Conflict 409     AlreadyExists 409  Expired 410     RequestTooLarge 413
      UnsupportedMediaType 415            Invalid 422     InternalError 500   GatewayTimeout 504

See https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from podlift.local.kinds import Kind


class LocalError(Exception):
    """The cluster could not do what its owner asked; the message says why and what to do."""


class AlreadyRunning(LocalError):
    """A cluster already runs from this home folder."""


class NotRunning(LocalError):
    """No cluster runs from this home folder."""


class PortTaken(LocalError):
    """Another program listens on the port that was asked for."""


class HomeUnusable(LocalError):
    """The home folder cannot be made or written."""


class StartFailed(LocalError):
    """The detached process ended, or did not answer, before the cluster was ready."""


class StopFailed(LocalError):
    """The cluster's process did not end when it was told to."""


class StateUnreadable(LocalError):
    """The cluster's saved objects cannot be read."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One mistake in an object: where it is and what is wrong with it."""

    reason: str
    field: str
    message: str

    def as_dict(self) -> dict[str, str]:
        """The entry of ``details.causes``."""
        return {"reason": self.reason, "message": self.message, "field": self.field}


class ApiStatus(Exception):
    """A failure as the API server tells it; ``status()`` is the body of the answer."""

    code: ClassVar[int] = 500
    reason: ClassVar[str] = ""

    def __init__(
        self,
        message: str,
        *,
        details: dict[str, Any] | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.details = details
        self.retry_after = retry_after

    def status(self) -> dict[str, Any]:
        """The Status object, in the order of fields of the real server."""
        body: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            body["reason"] = self.reason
        if self.details is not None:
            body["details"] = self.details
        body["code"] = self.code
        return body


class BadRequest(ApiStatus):
    """The request cannot be understood or makes no sense for the object as it is."""

    code = 400
    reason = "BadRequest"


class Unauthorized(ApiStatus):
    """The bearer token is not this cluster's."""

    code = 401
    reason = "Unauthorized"


class Forbidden(ApiStatus):
    """Understood and refused: quota, admission, a terminating namespace, no credentials."""

    code = 403
    reason = "Forbidden"


class NotFound(ApiStatus):
    """There is no such object or path."""

    code = 404
    reason = "NotFound"


class MethodNotAllowed(ApiStatus):
    """The resource does not have this verb."""

    code = 405
    reason = "MethodNotAllowed"


class Conflict(ApiStatus):
    """The object is not in the state that the request presumes."""

    code = 409
    reason = "Conflict"


class AlreadyExists(ApiStatus):
    """An object of this name is there already."""

    code = 409
    reason = "AlreadyExists"


class Expired(ApiStatus):
    """A resourceVersion that is older than the history which is kept."""

    code = 410
    reason = "Expired"


class RequestTooLarge(ApiStatus):
    """The request's body is over the limit."""

    code = 413
    reason = "RequestEntityTooLarge"


class UnsupportedMediaType(ApiStatus):
    """A body in a format that is not accepted here."""

    code = 415
    reason = "UnsupportedMediaType"


class Invalid(ApiStatus):
    """The object was understood and breaks a rule; ``causes`` say which."""

    code = 422
    reason = "Invalid"


class InternalError(ApiStatus):
    """The server (or the kubelet) could not do it."""

    code = 500
    reason = "InternalError"


class GatewayTimeout(ApiStatus):
    """A version from the future was asked for."""

    code = 504
    reason = "Timeout"


def _details(kind: Kind, name: str) -> dict[str, Any]:
    details: dict[str, Any] = {}
    if name:
        details["name"] = name
    if kind.group:
        details["group"] = kind.group
    details["kind"] = kind.plural
    return details


def not_found(kind: Kind, name: str) -> NotFound:
    """``pods "x" not found``."""
    return NotFound(f'{kind.qualified} "{name}" not found', details=_details(kind, name))


def already_exists(kind: Kind, name: str) -> AlreadyExists:
    """``pods "x" already exists``."""
    return AlreadyExists(f'{kind.qualified} "{name}" already exists', details=_details(kind, name))


def forbidden(kind: Kind, name: str, why: str, causes: Sequence[Cause] = ()) -> Forbidden:
    """``pods "x" is forbidden: WHY``."""
    details = _details(kind, name)
    if causes:
        details["causes"] = [cause.as_dict() for cause in causes]
    return Forbidden(f'{kind.qualified} "{name}" is forbidden: {why}', details=details)


def modified_meanwhile(kind: Kind, name: str) -> Conflict:
    """The answer to a write with a resourceVersion that is not the latest."""
    return Conflict(
        f'Operation cannot be fulfilled on {kind.qualified} "{name}": the object has been '
        "modified; please apply your changes to the latest version and try again",
        details=_details(kind, name),
    )


def wrong_precondition(kind: Kind, name: str, what: str, wanted: str, actual: str) -> Conflict:
    """The answer to a delete whose precondition (UID or ResourceVersion) does not hold."""
    text = (
        f'Operation cannot be fulfilled on {kind.kind} "{name}": the {what} in the precondition '
        f"({wanted}) does not match the {what} in record ({actual}). "
        "The object might have been deleted and then recreated"
    )
    details = _details(kind, name)
    details["kind"] = kind.kind
    return Conflict(text, details=details)


def invalid(kind: str, name: str, causes: Sequence[Cause], group: str = "") -> Invalid:
    """``Pod "x" is invalid: FIELD: MESSAGE``, several mistakes in brackets."""
    details: dict[str, Any] = {}
    if name:
        details["name"] = name
    if group:
        details["group"] = group
    details["kind"] = kind
    details["causes"] = [cause.as_dict() for cause in causes]
    texts = [f"{cause.field}: {cause.message}" for cause in causes]
    text = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    qualified = f"{kind}.{group}" if group else kind
    return Invalid(f'{qualified} "{name}" is invalid: {text}', details=details)
