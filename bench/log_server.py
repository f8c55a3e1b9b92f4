"""Serves one long log from a process of its own: `python -m bench.log_server LINES`."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime, timedelta

from aiohttp import web

_BEGIN = datetime(2026, 11, 22, 12, tzinfo=UTC)
_A_SECOND = 100_000
"""Lines that have their time in the same second."""
_PIECE = 32 << 10


def text(number: int) -> str:
    """The line with this number."""
    return f"line {number:07}: what a program may have to say of something that it does"


def _second(number: int) -> bytes:
    """All lines of one second."""
    stamp = f"{_BEGIN + timedelta(seconds=number):%Y-%m-%dT%H:%M:%S}"
    lines = range(number * _A_SECOND, (number + 1) * _A_SECOND)
    return "".join(
        f"{stamp}.{line % _A_SECOND * 10_000:09}Z {text(line)}\n" for line in lines
    ).encode()


async def _serve(lines: int) -> None:
    seconds = [_second(number) for number in range(lines // _A_SECOND)]

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        since = request.query.get("sinceTime")
        first = int((datetime.fromisoformat(since) - _BEGIN).total_seconds()) if since else 0
        log = memoryview(b"".join(seconds[max(0, first) :]))
        response = web.StreamResponse()
        await response.prepare(request)
        for start in range(0, len(log), _PIECE):
            await response.write(log[start : start + _PIECE])
        await response.write_eof()
        return response

    runner = web.ServerRunner(web.Server(answer, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
