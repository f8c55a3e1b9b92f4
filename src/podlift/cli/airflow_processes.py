"""A real Airflow as child processes: start, wait until it is ready, notice a death, stop."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from podlift.cli.airflow_api import AirflowApi, Health
from podlift.cli.errors import NotReady, ProcessDied
from podlift.cli.home import Home
from podlift.cli.processes import Child, Command, first_death

API_SERVER = "api-server"
SCHEDULER = "scheduler"
DAG_PROCESSOR = "dag-processor"
TRIGGERER = "triggerer"

_POLL_SECONDS = 0.2
# The API server keeps no state, and its interpreter takes seconds to end after it has shut down.
_STOP_SECONDS = {API_SERVER: 1.0, SCHEDULER: 15.0}
_STOP_SECONDS_OTHERS = 6.0


class AirflowProcesses:
    """The processes of one Airflow. Start them in any order; `stop` ends those that run."""

    def __init__(self, home: Home, environment: Mapping[str, str]) -> None:
        self._home = home
        self._environment = environment
        self._children: dict[str, Child] = {}
        # The database of an earlier start holds heartbeats of processes that are gone.
        self._since = datetime.now(UTC)

    async def start(self, *components: str) -> None:
        """Start components by the name of their `airflow` subcommand."""
        for component in components:
            self._children[component] = await Child.start(
                Command(
                    name=f"Airflow's {component}",
                    arguments=[sys.executable, "-m", "airflow", component, *_options(component)],
                    environment=self._environment,
                    log=self._home.process_logs / f"{component}.log",
                )
            )

    async def wait_ready(self, api: AirflowApi, timeout: float) -> None:
        """Return once every started component has reported to the database and both APIs answer.

        Raises ProcessDied if one ends first, NotReady after `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        waiting: Sequence[str] = list(self._children)
        warm = False
        while time.monotonic() < deadline:
            health = await api.health()
            if health is not None and not warm:
                await api.warm_up()
                warm = True
            waiting = self._not_ready(health)
            if not waiting:
                return
            await asyncio.sleep(_POLL_SECONDS)
        raise NotReady(
            f"Airflow's {', '.join(waiting)} did not become ready within {timeout:.0f} seconds:"
            f" read the logs in {self._home.process_logs}.",
            [line for name in waiting for line in self._children[name].last_lines(6)],
        )

    async def death(self) -> ProcessDied:
        """Wait until a component ends by itself, and return the error that says which and why."""
        return await first_death(list(self._children.values()))

    async def stop(self) -> None:
        """End every component: first those that use the API server, then the API server."""
        server = self._children.pop(API_SERVER, None)
        await asyncio.gather(*(_stop(name, child) for name, child in self._children.items()))
        self._children.clear()
        if server is not None:
            await _stop(API_SERVER, server)

    def _not_ready(self, health: Health | None) -> list[str]:
        if health is None:
            return list(self._children)
        states = {
            SCHEDULER: health.scheduler,
            DAG_PROCESSOR: health.dag_processor,
            TRIGGERER: health.triggerer,
        }
        return [
            name
            for name in self._children
            if name in states and not states[name].beat_since(self._since)
        ]


async def _stop(name: str, child: Child) -> None:
    await child.stop(_STOP_SECONDS.get(name, _STOP_SECONDS_OTHERS))


def _options(component: str) -> list[str]:
    # Both would serve logs over HTTP on a fixed port; here every log is a file of this machine.
    return ["--skip-serve-logs"] if component in (SCHEDULER, TRIGGERER) else []
