"""Tasks from queued to ended: how many a second, and what each costs."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from bench import Unmeasured
from bench.companion import Companion
from bench.side_by_side.accounts import cpu_of
from bench.side_by_side.contenders import ROOT, Contender
from bench.side_by_side.playing import environment, player
from bench.side_by_side.programs import end_with_parent
from bench.side_by_side.requests import Listening, by_verb, creations, last_deletion
from bench.side_by_side.sites import Site

LIFETIME = 0.5
"""Seconds that each task runs."""
_WARMING = 2
"""Tasks before the measurement: what is imported and connected once is no cost of a task. At the
standard executor's defaults each takes a second."""
_PATIENCE = 300.0
BARE = "bare client"


async def turn(site: Site, contender: Contender, tasks: int, database: Path) -> dict[str, Any]:
    """One contender's tasks, in a namespace of its own."""
    async with (
        site.namespace() as namespace,
        player(site, contender, namespace, database, lifetime=LIFETIME) as scheduler,
    ):
        await scheduler.ask("finish", count=_WARMING, first=tasks, seconds=_PATIENCE)
        with Companion("bench.unloaded") as machine:
            listening, server = Listening(site.audit_log), _Server(site)
            found = await scheduler.ask("finish", count=tasks, first=0, seconds=contender.window)
            if found["tasks"] == tasks:  # the bare client, too, has its pods deleted
                await site.emptied(namespace)
                gone = time.time() - found["began"]
                more = await scheduler.ask("report")
                for name, used in more["cpu"].items():
                    found["cpu"][name] = found["cpu"].get(name, 0.0) + used
                last = last_deletion(listening.heard() or (), found["began"])
                found["seconds"] = max(found["seconds"], last or gone)
            found |= {"server_cpu": server.spent(), "machine": json.loads(machine.tell("beats"))}
        return _with_requests(found, listening)


async def bare_turn(site: Site, tasks: int) -> dict[str, Any]:
    """The same number of pods by whoever does nothing that is not needed."""
    async with site.namespace() as namespace:
        listening, server = Listening(site.audit_log), _Server(site)
        place = () if site.node else ("scheduled",)
        began = time.time()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.bare_client", str(site.measured), namespace),
            *(str(tasks), str(LIFETIME), *place),
            stdout=asyncio.subprocess.PIPE,
            cwd=ROOT,
            env=environment(),
            preexec_fn=end_with_parent,
        )
        try:
            async with asyncio.timeout(_PATIENCE):
                output, _ = await process.communicate()
        except TimeoutError:
            raise Unmeasured(f"the bare client did not end within {_PATIENCE:.0f} s") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode != 0:
            raise Unmeasured(f"the bare client ended with exit code {process.returncode}")
        found = json.loads(output)
        found |= {"tasks": tasks, "began": began, "cpu": {BARE: found["cpu"]}}
        found |= {"server_cpu": server.spent()}
        return _with_requests(found, listening)


class _Server:
    """CPU time of the server's processes from now on."""

    def __init__(self, site: Site) -> None:
        self._pids = site.pids()
        self._before = self._used()

    def _used(self) -> dict[str, float]:
        return {name: cpu_of(pid) for name, pid in self._pids.items()}

    def spent(self) -> dict[str, float]:
        return {name: used - self._before[name] for name, used in self._used().items()}


def _with_requests(found: dict[str, Any], listening: Listening) -> dict[str, Any]:
    if not found["tasks"]:
        raise Unmeasured("not one task ended in the time that there is for it")
    found["load"] = os.getloadavg()[0]
    if (requests := listening.heard()) is not None:
        found["requests"] = by_verb(requests)
        found["refused"] = sum(request.code >= 400 for request in requests)
        created = creations(requests, found["began"])
        if created:
            found["created"] = {
                "first": created[0],
                "p50": statistics.median(created),
                "last": created[-1],
                "count": len(created),
            }
    return found
