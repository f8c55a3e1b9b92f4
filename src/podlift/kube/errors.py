"""What can go wrong between us and a Kubernetes API server.

    KubeError
    ├── ConfigurationError      how to reach the server is not known, or it is not trusted
    ├── ConnectionFailed        nobody answered, or the answer broke off
    ├── UnexpectedAnswer        something answered, but not in the words of the Kubernetes API
    ├── StreamError             exec or attach ended before its command did
    └── ApiError                the server answered, and the answer is no
        ├── BadRequest          400
        ├── Unauthorized        401
        ├── Forbidden           403 (an exceeded quota is one of these, see `quota_exceeded`)
        ├── NotFound            404
        ├── Conflict            409
        │   └── AlreadyExists   409, the name is taken
        ├── Gone                410, the version asked for is no longer known
        ├── Invalid             422
        ├── TooManyRequests     429
        └── ServerError         5xx

Every error says by `transient` whether the same request may succeed later with nothing repaired.
That is the whole policy of this layer: it reports, and whoever asked decides whether and when to
ask again.

The wire form of a refusal is a Status object, see
https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from time import time
from typing import ClassVar

import msgspec

_MISSING_RIGHT = re.compile(
    r'cannot (?P<verb>\w+) resource "(?P<resource>[^"]+)" in API group "[^"]*"'
    r'(?: in the namespace "(?P<namespace>[^"]+)"| at the cluster scope)'
)
_QUOTA_WORDS = ("exceeded quota:", "status unknown for quota:")


class StatusCause(msgspec.Struct, frozen=True, kw_only=True):
    """One reason among several for a refusal, as the server lists them."""

    reason: str = ""
    message: str = ""
    field: str = ""


class StatusDetails(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a refusal is about: the object's name, kind and uid, and the single causes."""

    name: str = ""
    group: str = ""
    kind: str = ""
    uid: str = ""
    causes: list[StatusCause] = []
    retry_after_seconds: float | None = None


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The Status object, with the fields we use."""

    kind: str = ""
    status: str = ""
    message: str = ""
    reason: str = ""
    code: int = 0
    details: StatusDetails | None = None


class KubeError(Exception):
    """Anything that this layer raises on purpose."""

    @property
    def transient(self) -> bool:
        """Whether the same request may succeed later, with nothing repaired in between."""
        return False


class ConfigurationError(KubeError):
    """What we were given does not make a connection: kubeconfig, context, credentials, CA."""


class ConnectionFailed(KubeError):
    """The server could not be reached, did not answer in time, or its answer broke off.

    A request that changes something may have been carried out all the same: a repeated create then
    meets AlreadyExists, a repeated delete NotFound.
    """

    @property
    def transient(self) -> bool:
        return True


class UnexpectedAnswer(KubeError):
    """The answer is not what a Kubernetes API server sends, for example a proxy's web page."""


class StreamError(KubeError):
    """An exec or attach stream ended without saying how the command ended, or was used wrongly."""


class ApiError(KubeError):
    """The API server refused. `str()` is a sentence for a person; the fields are for programs.

    Attributes:
        status: the HTTP status, for example 404.
        reason: the server's one-word reason, for example "NotFound"; may be empty.
        message: the server's own sentence, untouched.
        details: the object that it is about and the single causes; empty where the server gave
        none.
        retry_after: seconds the server asks us to wait before the next try, if it does.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        message: str,
        details: StatusDetails | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(status, reason, message, details, retry_after)
        self.status = status
        self.reason = reason
        self.message = message
        self.details = details or StatusDetails()
        self.retry_after = retry_after

    def __str__(self) -> str:
        return f"{self.message} ({self.status} {self.reason or 'no reason given'})"

    @property
    def transient(self) -> bool:
        return self.status == 408


class BadRequest(ApiError):
    """400: the request makes no sense to the server; asking again does not help."""


class Unauthorized(ApiError):
    """401: the server does not know who is asking, also after our credentials were renewed."""

    def __str__(self) -> str:
        return (
            "The Kubernetes API server did not accept our credentials (401 Unauthorized). The "
            "token or certificate is missing, wrong or expired: log in again, or check the user in "
            "the kubeconfig."
        )


class Forbidden(ApiError):
    """403: not allowed, or refused by admission: quota, limits, a namespace under deletion."""

    @property
    def quota_exceeded(self) -> bool:
        """Whether a resource quota is used up, which ends when other pods end.

        See https://kubernetes.io/docs/concepts/policy/resource-quotas/
        """
        return any(words in self.message for words in _QUOTA_WORDS)

    @property
    def namespace_terminating(self) -> bool:
        """Whether the namespace is being deleted and takes nothing new."""
        return any(cause.reason == "NamespaceTerminating" for cause in self.details.causes)

    @property
    def transient(self) -> bool:
        return self.quota_exceeded

    @property
    def missing_right(self) -> str:
        """The right that the user does not have, as one would grant it; empty for a refusal of
        another kind, such as admission's.

        https://kubernetes.io/docs/reference/access-authn-authz/rbac/
        """
        found = _MISSING_RIGHT.search(self.message)
        if found is None:
            return ""
        right = f"the verb {found['verb']} on {found['resource']}"
        if found["namespace"]:
            return f"{right} by a Role in namespace {found['namespace']}"
        return f"{right} by a ClusterRole"

    def __str__(self) -> str:
        text = super().__str__()
        if 'User "system:anonymous"' in self.message:
            return f"{text}. The request carried no credentials: check the user in the kubeconfig."
        return f"{text}. Grant it {right}." if (right := self.missing_right) else text


class NotFound(ApiError):
    """404: there is no such object, or no such namespace to create it in."""


class Conflict(ApiError):
    """409: the object has changed, or is not the one (by uid) that was meant."""

    @property
    def transient(self) -> bool:
        # Two pods created at once may collide in the bookkeeping of a quota; nothing is wrong with
        # either of them (https://github.com/kubernetes/kubernetes/issues/67761).
        return self.details.kind == "resourcequotas"


class AlreadyExists(Conflict):
    """409: an object of that name is there already."""

    @property
    def transient(self) -> bool:
        return False


class Gone(ApiError):
    """410: the resourceVersion or continue token is too old; list again."""


class Invalid(ApiError):
    """422: the object breaks a rule of its kind; `details.causes` names the fields."""


class TooManyRequests(ApiError):
    """429: the server is busy, or a disruption budget protects the pod. See `retry_after`."""

    @property
    def transient(self) -> bool:
        return True


class ServerError(ApiError):
    """5xx: the server, or what it leans on, is in trouble."""

    # etcd's refusal of an object over 1.5 MiB comes as a 500, and will not change with time.
    _TOO_LARGE: ClassVar[str] = "request is too large"

    @property
    def transient(self) -> bool:
        return self.status != 501 and self._TOO_LARGE not in self.message


_BY_STATUS: Mapping[int, type[ApiError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    422: Invalid,
    429: TooManyRequests,
}


def error_from_status(status: Status, retry_after: float | None = None) -> ApiError:
    """The error that a Status object stands for.

    `retry_after` is the header's value in seconds; the Status' own is used where there is no
    header.
    """
    kind = _BY_STATUS.get(status.code, ServerError if status.code >= 500 else ApiError)
    if kind is Conflict and status.reason == "AlreadyExists":
        kind = AlreadyExists
    if retry_after is None and status.details is not None:
        retry_after = status.details.retry_after_seconds
    return kind(status.code, status.reason, status.message, status.details, retry_after)


def error_from_answer(
    code: int, body: bytes, headers: Mapping[str, str], request: str = ""
) -> ApiError:
    """The error for an HTTP answer that is a refusal, whoever on the way gave it.

    `request` says what was asked, for example "GET /api/v1/pods"; it goes into the message when the
    answer is not a Status, as with proxies and load balancers.
    """
    retry_after = parse_retry_after(headers.get("Retry-After"))
    try:
        status = msgspec.json.decode(body, type=Status)
    except msgspec.DecodeError:
        status = Status()
    # What gives up after a minute inside the API server leaves the kind out.
    if (status.kind == "Status" or status.status == "Failure") and status.message:
        return error_from_status(msgspec.structs.replace(status, code=code), retry_after)
    text = " ".join(body[:200].decode(errors="replace").split()) or "nothing more"
    message = (
        f"{request or 'A request'} was answered {code}, not by Kubernetes' own words but by: {text}"
    )
    return error_from_status(Status(code=code, message=message), retry_after)


def parse_retry_after(value: str | None) -> float | None:
    """Seconds to wait by a Retry-After header: a number, or a date (RFC 9110 section 10.2.3)."""
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time())
    except ValueError:
        return None
