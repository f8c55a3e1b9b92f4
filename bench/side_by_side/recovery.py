"""A scheduler that is killed with many tasks running, and the next one, which takes them over."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from bench import Unmeasured
from bench.side_by_side import pods
from bench.side_by_side.contenders import Contender
from bench.side_by_side.playing import player
from bench.side_by_side.sites import Site

_HOUR = 3600.0
_GROWING = 300.0
_HEARING = 120.0


async def recovery(site: Site, contender: Contender, tasks: int, database: Path) -> dict[str, Any]:
    """SIGKILL with so many tasks running; a second scheduler adopts them and hears their ends."""
    async with site.namespace() as namespace:
        async with player(site, contender, namespace, database, lifetime=_HOUR) as first:
            ids = (await first.ask("queue", count=tasks, first=0))["ids"]
            await pods.until_running(site.client, namespace, tasks, _GROWING)
            there = await pods.names(site.client, namespace)
            first.kill()
        async with player(site, contender, namespace, database, lifetime=_HOUR, job=1) as second:
            adopted = await second.ask("adopt", ids=ids, left_by=contender.jobs[0])
            began = time.time()
            await pods.end(site.client, namespace, there)
            written = time.time()
            expected, last = tasks - adopted["not_adopted"], None
            with suppress(Unmeasured):  # that not all are told is a result, too
                told = await second.ask("wait", ended=expected, seconds=_HEARING)
                last = told["at"] - written
            after = await second.ask("report")
            return {
                "tasks": tasks,
                "adopting_seconds": adopted["seconds"],
                "not_adopted": adopted["not_adopted"],
                "writing_ends_seconds": written - began,
                "ends_told": after["ended"],
                "last_end_told_after": last,
                "beats": after["beats"],
                "cpu": sum(after["cpu"].values()),
            }
