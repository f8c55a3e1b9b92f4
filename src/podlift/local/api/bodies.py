"""Bodies of requests: read, decoded, and of the kind that the path names."""

from __future__ import annotations

from typing import Any

import msgspec
import yaml
from aiohttp import web

from podlift.local import errors
from podlift.local.api import protobuf
from podlift.local.kinds import Kind, Obj

#: The real server's limit for a request; aiohttp closes the connection beyond it.
MOST_BYTES = 3 << 20

_JSON = ("application/json", "*/*", "")
_YAML = ("application/yaml", "application/x-yaml")
_PLAIN_YAML = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


async def read(request: web.BaseRequest) -> bytes:
    """The whole body; raises RequestTooLarge."""
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        raise errors.RequestTooLarge(f"Request entity too large: limit is {MOST_BYTES}") from error


def media_type(request: web.BaseRequest) -> str:
    """The Content-Type without its parameters, lower case."""
    return request.headers.get("Content-Type", "").split(";")[0].strip().lower()


async def read_object(request: web.BaseRequest, kind: Kind) -> Obj:
    """The body as an object of *kind*; raises BadRequest or UnsupportedMediaType."""
    data = await read(request)
    body = decoded(data, media_type(request), kind.kind)
    check_kind(body, kind)
    return body


async def read_other(request: web.BaseRequest, kind: str) -> Obj:
    """The body as an object that is not stored, such as a Binding; {} where there is none."""
    data = await read(request)
    return decoded(data, media_type(request), kind) if data.strip() else {}


def decoded(data: bytes, media: str, kind: str) -> Obj:
    """JSON or YAML as an object."""
    if media == protobuf.MEDIA_TYPE:
        body = protobuf.decode(data)
    elif media in _YAML:
        body = from_yaml(data)
    elif media in _JSON:
        try:
            body = msgspec.json.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise _unrecognized(data, kind, error) from error
    else:
        raise errors.UnsupportedMediaType(
            "the body of the request was in an unknown format - accepted media types include: "
            "application/json, application/yaml, application/vnd.kubernetes.protobuf"
        )
    if not isinstance(body, dict):
        raise errors.BadRequest(
            f"the object provided is unrecognized (must be of type {kind}): "
            "couldn't get version/kind; json: cannot unmarshal into Go value of type struct"
        )
    return body


def from_yaml(data: bytes) -> Any:
    """YAML as plain values; raises BadRequest."""
    try:
        return yaml.load(data, Loader=_PLAIN_YAML)
    except yaml.YAMLError as error:
        raise errors.BadRequest(f"error converting YAML to JSON: {error}") from error


def check_kind(body: Obj, kind: Kind) -> None:
    """Refuse an object of another kind; the kind may be left out."""
    api_version = body.setdefault("apiVersion", kind.api_version)
    name = body.setdefault("kind", kind.kind)
    if name != kind.kind:
        raise errors.BadRequest(
            f'{name} in version "{kind.version}" cannot be handled as a {kind.kind}: '
            f"converting (v1.{name}) to (core.{kind.kind}): unknown conversion"
        )
    if api_version != kind.api_version:
        raise errors.BadRequest(
            f"the API version in the data ({api_version}) does not match the expected API "
            f"version ({kind.api_version})"
        )


def _unrecognized(data: bytes, kind: str, error: Exception) -> errors.BadRequest:
    what = str(error)
    if "truncated" in what:
        what = "unexpected end of JSON input"
    shown = data.decode(errors="replace")
    shown = shown if len(shown) <= 1000 else f"{shown[:1000]}..."
    return errors.BadRequest(
        f"the object provided is unrecognized (must be of type {kind}): "
        f"couldn't get version/kind; json parse error: {what} ({shown})"
    )
