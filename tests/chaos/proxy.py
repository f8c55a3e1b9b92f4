"""A server between the executors and the API server that does to their requests what can go wrong.

It speaks TLS with a certificate of its own, and goes on as the cluster's administrator; executors
get a kubeconfig that leads here and holds no right of its own.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from aiohttp import web
from tests.chaos.access import Cluster
from tests.chaos.faults import Fault, Faults, Where
from tests.chaos.relaying import relay_watch
from tests.real.certificates import make_authority

_LATE = 0.7
_DRIPS = 8
_HOP_BY_HOP = frozenset(
    {"connection", "transfer-encoding", "content-length", "keep-alive", "content-encoding", "date"}
)
_DONE = frozenset(
    {Fault.ERROR_500_DONE, Fault.GATEWAY_TIMEOUT, Fault.RESET_AFTER, Fault.NO_ANSWER_DONE}
)
"""Faults that keep back the answer to a request which was carried out."""
_PAGE = "<html><head><title>502 Bad Gateway</title></head><body>nobody home</body></html>"


class Proxy:
    """Stands before a cluster. ``requests`` counts what came, by method."""

    def __init__(self, cluster: Cluster, faults: Faults, folder: Path) -> None:
        self.kubeconfig = folder / "kubeconfig"
        self.requests: dict[str, int] = {}
        self._cluster = cluster
        self._faults = faults
        self._folder = folder
        self._open: set[asyncio.Transport] = set()
        self._runner = web.ServerRunner(
            web.Server(self._handle, handler_cancellation=True, access_log=None),
            shutdown_timeout=0.1,
        )

    async def start(self) -> None:
        """Listen on a free port, and write the kubeconfig."""
        authority = make_authority(self._folder / "pki")
        certificate, key = authority.issue("proxy", "proxy", hosts=("127.0.0.1",))
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(certificate, key)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=tls).start()
        self._write_kubeconfig(self._runner.addresses[0][1], authority.path)

    async def stop(self) -> None:
        """Close every connection."""
        self.cut_all()
        await self._runner.cleanup()

    def cut_all(self) -> None:
        """Cut every connection, as when a network cable is pulled."""
        for transport in list(self._open):
            transport.abort()

    def _write_kubeconfig(self, port: int, authority: Path) -> None:
        cluster = {"server": f"https://127.0.0.1:{port}", "certificate-authority": str(authority)}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "chaos", "cluster": cluster}],
            "users": [{"name": "chaos", "user": {"token": "not-a-secret"}}],
            "contexts": [{"name": "chaos", "context": {"cluster": "chaos", "user": "chaos"}}],
            "current-context": "chaos",
        }
        self.kubeconfig.write_text(yaml.safe_dump(config))

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        transport = request.transport
        if transport is None:
            return web.Response()
        self._open.add(transport)
        try:
            with suppress(ConnectionResetError, aiohttp.ClientConnectionError):
                return await self._answer(request)
            return _reset(request)
        finally:
            self._open.discard(transport)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests[request.method] = self.requests.get(request.method, 0) + 1
        if self._faults.weather.partition:
            return _reset(request)
        where = _where(request)
        fault = self._faults.draw(where)
        if fault in _DONE:
            await self._carry_out(request)
        match fault:
            case Fault.RESET_BEFORE | Fault.RESET_AFTER:
                return _reset(request)
            case Fault.NO_ANSWER | Fault.NO_ANSWER_DONE:
                await asyncio.Event().wait()  # until whoever asked gives up
            case Fault.LATENCY:
                await asyncio.sleep(_LATE)
        if (refusal := _refusal(fault)) is not None:
            return refusal
        return await self._forward(request, where, fault)

    async def _carry_out(self, request: web.BaseRequest) -> None:
        async with self._upstream(request) as upstream:
            await upstream.read()

    def _upstream(self, request: web.BaseRequest) -> Any:
        headers = dict(self._cluster.headers)
        for name in ("Content-Type", "Accept"):
            if name in request.headers:
                headers[name] = request.headers[name]
        return self._cluster.session.request(
            request.method,
            self._cluster.url + request.raw_path,
            data=request.content if request.can_read_body else None,
            headers=headers,
            ssl=self._cluster.tls,
        )

    async def _forward(
        self, request: web.BaseRequest, where: Where, fault: Fault | None
    ) -> web.StreamResponse:
        async with self._upstream(request) as upstream:
            response = web.StreamResponse(status=upstream.status)
            for name, value in upstream.headers.items():
                if name.lower() not in _HOP_BY_HOP:
                    response.headers[name] = value
            if where is Where.WATCH and upstream.status == 200:
                await response.prepare(request)
                await relay_watch(request, response, upstream, self._faults)
                return response
            body = await upstream.read()
            if fault is Fault.CUT_ANSWER:
                return await _cut(request, response, body)
            response.content_length = len(body)
            await response.prepare(request)
            await _write(response, body, slowly=fault is Fault.SLOW_BODY)
            return response


def _where(request: web.BaseRequest) -> Where:
    if request.method != "GET":
        return Where.CHANGE
    watching = request.query.get("watch") in ("1", "true")
    return Where.WATCH if watching else Where.READ


def _reset(request: web.BaseRequest) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _cut(
    request: web.BaseRequest, response: web.StreamResponse, body: bytes
) -> web.StreamResponse:
    response.content_length = len(body)
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    return _reset(request)


async def _write(response: web.StreamResponse, body: bytes, *, slowly: bool) -> None:
    size = max(1, len(body) // _DRIPS) if slowly else max(1, len(body))
    for start in range(0, len(body), size):
        await response.write(body[start : start + size])
        if slowly:
            await asyncio.sleep(_LATE / _DRIPS)
    await response.write_eof()


def _refusal(fault: Fault | None) -> web.Response | None:
    match fault:
        case Fault.BUSY:
            return _status(429, "TooManyRequests", "too many requests, please try again later")
        case Fault.BUSY_RETRY_AFTER:
            answer = _status(429, "TooManyRequests", "the server has received too many requests")
            answer.headers["Retry-After"] = "1"
            return answer
        case Fault.ERROR_500:
            return _status(500, "InternalError", "etcdserver: leader changed")
        case Fault.ERROR_500_DONE:
            return _status(500, "InternalError", "etcdserver: request timed out")
        case Fault.BAD_GATEWAY:
            return web.Response(status=502, text=_PAGE, content_type="text/html")
        case Fault.UNAVAILABLE:
            return _status(503, "ServiceUnavailable", "apiserver not ready")
        case Fault.GATEWAY_TIMEOUT:
            return web.Response(status=504, text="upstream request timeout")
    return None


def _status(code: int, reason: str, message: str) -> web.Response:
    status = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    }
    return web.Response(status=code, text=json.dumps(status), content_type="application/json")
