"""A scheduler that is killed with many tasks running, and the next one, which takes them over."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from bench import Unmeasured
from bench.side_by_side import pods
from bench.side_by_side.contenders import Contender
from bench.side_by_side.playing import Player, player
from bench.side_by_side.sites import Site

_HOUR = 3600.0
_GROWING = 300.0
HEARING = 60.0
"""Seconds that the ends of tasks are waited for."""
_DELETING = 10.0
_A_FEW = 20
"""Tasks that end under each scheduler: nearly all are left to the next."""


@asynccontextmanager
async def deployment(
    site: Site, contender: Contender, tasks: int, database: Path
) -> AsyncIterator[Deployment]:
    """So many tasks run; the scheduler that began them was killed."""
    async with site.namespace() as namespace:
        async with player(site, contender, namespace, database, lifetime=_HOUR) as first:
            ids = (await first.ask("queue", count=tasks, first=0))["ids"]
            await pods.until_running(site.client, namespace, tasks, _GROWING)
        yield Deployment(site, contender, namespace, database, ids)


class Deployment:
    """Running tasks, and one scheduler after the other, each of them killed."""

    def __init__(
        self, site: Site, contender: Contender, namespace: str, database: Path, ids: dict[str, str]
    ) -> None:
        self.name = contender.name
        self._site = site
        self._contender = contender
        self._namespace = namespace
        self._database = database
        self._ids = ids
        """The tasks that run, as Airflow's database has them."""
        self._schedulers = 1

    async def next_scheduler(self, *, last: bool) -> dict[str, Any]:
        """A scheduler starts, takes the tasks over, hears of a few ends and is killed.

        The last one hears of all ends that are left, too.
        """
        number, self._schedulers = self._schedulers, self._schedulers + 1
        jobs, began = self._contender.jobs, time.time()
        async with player(
            self._site,
            self._contender,
            self._namespace,
            self._database,
            lifetime=_HOUR,
            job=number % 2,
        ) as scheduler:
            started = time.time()
            adopted = await scheduler.ask("adopt", ids=self._ids, left_by=jobs[(number - 1) % 2])
            cost = await scheduler.ask("report")
            running = await pods.names(self._site.client, self._namespace)
            few = await self._ends(scheduler, running[:_A_FEW])
            found = {
                "tasks": len(self._ids),
                "starting_seconds": started - began,
                "adopting_seconds": adopted["seconds"],
                "adopting_cpu": sum(cost["cpu"].values()),
                "not_adopted": adopted["not_adopted"],
                "recovered_after": None if few["at"] is None else few["at"] - started,
                "few": few,
            }
            if last:
                found["all"] = await self._ends(scheduler, running[_A_FEW:])
            else:
                for name in (await scheduler.ask("ended_tasks"))["names"]:
                    del self._ids[name]
        return found

    async def _ends(self, scheduler: Player, ending: list[str]) -> dict[str, Any]:
        """Let tasks end, until they are told and their pods deleted, as far as that happens."""
        before = await scheduler.ask("report")
        began = time.time()
        await pods.end(self._site.client, self._namespace, ending)
        written, at = time.time(), None
        expected = before["ended"] + len(ending)
        with suppress(Unmeasured):  # that not all are told is a result, too
            at = (await scheduler.ask("wait", ended=expected, seconds=HEARING))["at"]
        await pods.until_gone(self._site.client, self._namespace, ending, _DELETING)
        after = await scheduler.ask("report")
        return {
            "ended": len(ending),
            "told": after["ended"] - before["ended"],
            "at": at,
            "writing_seconds": written - began,
            "last_told_after": None if at is None else at - written,
            "beats": after["beats"],
            "cpu": sum(after["cpu"].values()),
        }
