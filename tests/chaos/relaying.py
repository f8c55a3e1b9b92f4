"""A watch passed on event by event, with what can happen to events on their way.

A real server sends the events of one kind in one order, so swapped and repeated ones are a broken
middlebox's doing. Two swapped events are written together: if one of them could get lost behind
the other's higher version, no client could know.
"""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import aiohttp
from aiohttp import web
from tests.chaos.faults import Fault, Faults, Where

_DELAY = 1.0
_PATIENCE = 0.3
"""How long a swapped event waits for another one to change places with."""
_UID = re.compile(rb'"uid":\s?"([0-9a-f-]{36})"')
_EXPIRED = {
    "type": "ERROR",
    "object": {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": "too old resource version: 1 (2)",
        "reason": "Expired",
        "code": 410,
    },
}

Lines = asyncio.Queue[bytes | None]


async def relay_watch(
    request: web.BaseRequest, response: web.StreamResponse, upstream: Any, faults: Faults
) -> None:
    """Pass the lines on until either side ends, or a fault ends it."""
    lines: Lines = asyncio.Queue()
    reading = asyncio.create_task(_read(upstream, lines))
    try:
        while (line := await lines.get()) is not None:
            fault = faults.draw(Where.EVENT)
            if not await _pass_on(line, fault, lines, request, response):
                return
        await response.write_eof()
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


async def _read(upstream: Any, lines: Lines) -> None:
    rest = b""
    try:
        async for piece in upstream.content.iter_any():
            *whole, rest = (rest + piece).split(b"\n")
            for line in whole:
                lines.put_nowait(line + b"\n")
    except aiohttp.ClientError:
        pass  # the server is gone, which is a way for a watch to end
    finally:
        lines.put_nowait(None)


async def _pass_on(
    line: bytes,
    fault: Fault | None,
    lines: Lines,
    request: web.BaseRequest,
    response: web.StreamResponse,
) -> bool:
    """Whether the watch goes on after this line."""
    match fault:
        case Fault.WATCH_EXPIRED:
            await response.write(json.dumps(_EXPIRED).encode() + b"\n")
            await response.write_eof()
        case Fault.WATCH_ENDED:
            await response.write_eof()
        case Fault.WATCH_CUT:
            _abort(request)
        case Fault.WATCH_CUT_LINE:
            await response.write(line[: len(line) // 2])
            _abort(request)
        case Fault.WATCH_SILENT:
            await asyncio.Event().wait()  # until whoever listens gives up
        case Fault.WATCH_DELAYED:
            await asyncio.sleep(_DELAY)
            await response.write(line)
            return True
        case Fault.WATCH_REPEATED:
            await response.write(line + line)
            return True
        case Fault.WATCH_SWAPPED:
            await response.write(await _swapped(line, lines))
            return True
        case _:
            await response.write(line)
            return True
    return False


async def _swapped(line: bytes, lines: Lines) -> bytes:
    try:
        async with asyncio.timeout(_PATIENCE):
            other = await lines.get()
    except TimeoutError:
        return line
    if other is None:
        lines.put_nowait(None)
        return line
    return other + line if _pod_of(other) != _pod_of(line) else line + other


def _pod_of(line: bytes) -> bytes | None:
    found = _UID.search(line)
    return found[1] if found else None


def _abort(request: web.BaseRequest) -> None:
    if request.transport is not None:
        request.transport.abort()
