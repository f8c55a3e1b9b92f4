"""What it costs to have many pods alive: a heartbeat, an event, memory; and a list anew."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from bench import Unmeasured
from bench.side_by_side import pods
from bench.side_by_side.contenders import Contender
from bench.side_by_side.playing import Player, player
from bench.side_by_side.sites import Site

_HOUR = 3600.0
EVENTS = 500
"""Changes of pods of which the cost is taken once."""
_IDLE = 5.0
_SETTLING = 1.0
_GROWING = 600.0
_HEARING = 60.0


async def curve(
    site: Site, contender: Contender, sizes: Sequence[int], times: int, database: Path
) -> dict[str, Any]:
    """Have more and more tasks running, and measure at each size; a list anew at the last.

    Events and the list anew are measured several times each.
    """
    async with (
        site.namespace() as namespace,
        player(site, contender, namespace, database, lifetime=_HOUR) as scheduler,
    ):
        empty = (await scheduler.ask("report"))["megabytes"]
        steps, made = [], 0
        for size in sizes:
            await scheduler.ask("queue", count=size - made, first=made)
            made = size
            grown = await pods.until_running(site.client, namespace, size, _GROWING)
            step = await _step(site, scheduler, namespace, times)
            step |= {"alive": size, "grown_in": grown}
            step["added_megabytes"] = step["megabytes"] - empty
            steps.append(step)
        found: dict[str, Any] = {"steps": steps}
        if site.forget_history is not None:
            found["relists"] = []
            for number in range(times):
                again = await _list_anew(site, scheduler, namespace, made - number)
                found["relists"].append(again)
                if again["seconds"] is None:  # it would be waited for in vain each time
                    break
        return found


async def _step(site: Site, scheduler: Player, namespace: str, times: int) -> dict[str, Any]:
    there = await pods.names(site.client, namespace)
    await asyncio.sleep(_SETTLING)
    await scheduler.ask("report")
    await asyncio.sleep(_IDLE)
    idle = await scheduler.ask("report")
    idle_cpu = sum(idle["cpu"].values()) / _IDLE
    events = [await _events(site, scheduler, namespace, there, idle_cpu) for _ in range(times)]
    return {
        "idle_cpu": idle_cpu,
        "idle_beats": idle["beats"],
        "events": events,
        "megabytes": (await scheduler.ask("report"))["megabytes"],
    }


async def _events(
    site: Site, scheduler: Player, namespace: str, there: Sequence[str], idle_cpu: float
) -> dict[str, Any]:
    """What each of some changes costs beyond what the time costs in which nothing happens."""
    began = time.monotonic()
    await pods.touch(site.client, namespace, there, EVENTS)
    await asyncio.sleep(_SETTLING)
    took = time.monotonic() - began
    busy = await scheduler.ask("report")
    more = sum(busy["cpu"].values()) - idle_cpu * took
    return {"cpu": max(0.0, more) / EVENTS, "beats": busy["beats"]}


async def _list_anew(site: Site, scheduler: Player, namespace: str, alive: int) -> dict[str, Any]:
    """The server comes back and has forgotten the watch's place; then one pod ends.

    The time is from the server's first good answer until that end is told; None when it is not.
    """
    assert site.forget_history is not None
    first = (await pods.names(site.client, namespace))[:1]
    before = await scheduler.ask("report")
    await asyncio.to_thread(site.forget_history)
    back = time.time()
    await pods.end(site.client, namespace, first)
    seconds: float | None = None
    with suppress(Unmeasured):  # that it is never told is a result, too
        told = await scheduler.ask("wait", ended=before["ended"] + 1, seconds=_HEARING)
        seconds = told["at"] - back
    after = await scheduler.ask("report")
    return {
        "alive": alive,
        "seconds": seconds,
        "patience": _HEARING,
        "beats": after["beats"],
        "cpu": sum(after["cpu"].values()),
    }
