"""The HTTPS server: every request comes in here, and every answer goes out."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from podlift.local import errors
from podlift.local.api import (
    access,
    bodies,
    deleting,
    discovery,
    forms,
    openapi,
    patching,
    pods,
    writing,
)
from podlift.local.api.reading import read_list, read_one
from podlift.local.api.requests import Target, UnknownPath, accepted, target_of
from podlift.local.api.watching import watch
from podlift.local.kinds import POD, REVIEWS
from podlift.local.kubelet.contract import KubeletProtocol
from podlift.local.store import Store
from podlift.local.store.objects import encode

_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class ApiServer:
    """What the API is served from; :meth:`handle` answers one request."""

    store: Store
    kubelet: KubeletProtocol
    tokens: access.Tokens

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request; failures become Status objects."""
        try:
            return await self._answer(request)
        except UnknownPath:
            return web.Response(status=404, text="404 page not found\n")
        except errors.ApiStatus as error:
            return _failure(error)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        user = access.user_of(request, self.tokens)
        plain = discovery.answer(request) or openapi.answer(request.path)
        if plain is not None:
            access.check_path(user, request.method, request.path)
            return plain
        target = target_of(request.method, request.path, request.query)
        access.check_resource(user, target)
        if target.kind in REVIEWS:
            body = await bodies.read_object(request, target.kind)
            return answer(access.review(target.kind, body, user), status=201)
        if target.subresource and target.subresource != "status":
            return await self._subresource(request, target)
        return await self._resource(request, target)

    async def _resource(self, request: web.BaseRequest, target: Target) -> web.StreamResponse:
        store, query = self.store, request.query
        form = accepted(request.headers.get("Accept", "")).form
        if target.verb == "watch":
            return await watch(store, target, form, request)
        if target.verb == "get":
            return _raw(read_one(store, target, form, query))
        if target.verb == "list":
            return _raw(read_list(store, target, form, query))
        if target.verb == "delete":
            options = await bodies.read_other(request, "DeleteOptions")
            return answer(deleting.delete(store, target, options, query))
        if target.verb == "deletecollection":
            options = await bodies.read_other(request, "DeleteOptions")
            return self._deleted_collection(target, options, request)
        if target.verb == "patch":
            patch = await bodies.read(request)
            written = patching.patch(store, target, bodies.media_type(request), patch, query)
        elif target.verb == "create":
            body = await bodies.read_object(request, target.kind)
            written = writing.create(store, target, body, query)
        else:
            body = await bodies.read_object(request, target.kind)
            written = writing.update(store, target, body, query)
        raw = forms.one(target.kind, encode(written.object), form)
        response = _raw(raw, status=201 if written.created else 200)
        for warning in written.warnings:
            quoted = warning.replace("\\", "\\\\").replace('"', '\\"')
            response.headers.add("Warning", f'299 - "{quoted}"')
        return response

    def _deleted_collection(
        self, target: Target, options: dict[str, Any], request: web.BaseRequest
    ) -> web.Response:
        objects = deleting.delete_collection(self.store, target, options, request.query)
        items = [
            {key: value for key, value in obj.items() if key not in ("kind", "apiVersion")}
            for obj in objects
        ]
        return answer(
            {
                "kind": f"{target.kind.kind}List",
                "apiVersion": target.kind.api_version,
                "metadata": {"resourceVersion": str(self.store.version)},
                "items": items,
            }
        )

    async def _subresource(self, request: web.BaseRequest, target: Target) -> web.StreamResponse:
        if target.kind is not POD:
            raise UnknownPath
        if target.subresource == "log":
            return await pods.log(self.store, self.kubelet, target, request)
        if target.subresource in ("exec", "attach"):
            return await pods.connect(self.store, self.kubelet, target, request)
        body = await bodies.read_other(request, target.subresource.capitalize())
        if target.subresource == "binding":
            return answer(pods.bind(self.store, target, body), status=201)
        return answer(pods.evict(self.store, target, body, request.query), status=201)


def server_of(api: ApiServer) -> web.Server:
    """The aiohttp server; a request whose client goes away is given up."""

    loop = asyncio.get_running_loop()

    def make(
        message: Any, payload: Any, protocol: Any, writer: Any, task: asyncio.Task[None]
    ) -> web.BaseRequest:
        most = bodies.MOST_BYTES
        return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=most)

    return web.Server(
        api.handle,
        request_factory=make,
        handler_cancellation=True,
        access_log=None,
        keepalive_timeout=300.0,
    )


def tls_context(certificate: str, key: str) -> ssl.SSLContext:
    """The server's side of TLS."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    return context


def answer(body: Any, status: int = 200) -> web.Response:
    """A JSON answer."""
    return _raw(encode(body), status)


def _raw(data: bytes, status: int = 200) -> web.Response:
    return web.Response(body=data, status=status, content_type=_JSON)


def _failure(error: errors.ApiStatus) -> web.Response:
    response = answer(error.status(), status=error.code)
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    return response
