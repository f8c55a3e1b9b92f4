"""Runs the DAG ``pods`` and ends, one after another, those who wait for its pods."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import psutil
from tests.e2e.tables import migrate
from tests.e2e.whole_run import DAGS, RUN, Rest, Scene

from podlift.cli.airflow_api import AirflowApi
from podlift.cli.airflow_processes import (
    API_SERVER,
    DAG_PROCESSOR,
    SCHEDULER,
    TRIGGERER,
    AirflowProcesses,
)
from podlift.cli.airflow_settings import (
    ADMIN,
    Serving,
    airflow_environment,
    load_secrets,
    write_configuration,
)
from podlift.cli.home import Home
from podlift.cli.ports import choose_port
from podlift.kube import PODS, Client, KubeError, load_connection, watch

DAG = "pods"
_SECONDS = 180.0
_BASE = f"/dags/{DAG}/dagRuns/{RUN}/taskInstances"
_TRIES = {"deferred": 1, "deferred_then_ended": 1, "crashed": 2, "drained": 2, "ended": 1}


@dataclass
class Seen:
    """How it came out."""

    states: dict[str, str] = field(default_factory=dict)
    tries: dict[str, int] = field(default_factory=dict)
    logs: dict[tuple[str, int], list[str]] = field(default_factory=dict)
    pods: dict[str, set[str]] = field(default_factory=dict)
    """The uids of all pods that each task ever had."""
    left: list[str] = field(default_factory=list)
    """The tasks of the pods that are there at the end."""


async def play(scene: Scene) -> Seen:
    """Start Airflow, let it happen, look at everything, stop Airflow."""
    home = Home(scene.folder)
    home.create()
    serving = Serving(DAGS, choose_port(0, scene.address), "LocalExecutor", host=scene.address)
    keys = load_secrets(home)
    options = {
        "scheduler": {"task_instance_heartbeat_sec": "2"},
        "triggerer": {"job_heartbeat_sec": "1", "triggerer_health_check_threshold": "5"},
    }
    write_configuration(home, serving, keys, options)
    environment = airflow_environment(home, os.environ)
    environment |= {
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": scene.database,
        "KUBECONFIG": str(scene.kubeconfig),
        "PODS_NAMESPACE": scene.namespace,
    }
    await migrate(home, environment)
    async with AsyncExitStack() as ending:
        api = await ending.enter_async_context(AirflowApi(serving.url, ADMIN, keys.password))
        airflow = AirflowProcesses(home, environment)
        ending.push_async_callback(airflow.stop)
        await airflow.start(API_SERVER, SCHEDULER, DAG_PROCESSOR)
        triggerers = Triggerers(home, environment)
        ending.push_async_callback(triggerers.stop)
        await triggerers.start()
        await airflow.wait_ready(api, _SECONDS)
        rest = await ending.enter_async_context(Writing(serving.url, keys.password))
        client = await ending.enter_async_context(
            Client(await load_connection(scene.kubeconfig, in_cluster=False))
        )
        return await Play(api, rest, client, scene.namespace, triggerers).run()


class Writing(Rest):
    """Airflow's REST API, as a user presses its buttons."""

    async def __aenter__(self) -> Writing:
        await super().__aenter__()
        return self

    async def mark_failed(self, task: str) -> None:
        url = f"{self._url}/api/v2{_BASE}/{task}"
        async with self._session.patch(url, json={"new_state": "failed"}) as answer:
            await answer.read()


class Triggerers:
    """A triggerer that can be killed, with all that belongs to it, and started again."""

    def __init__(self, home: Home, environment: dict[str, str]) -> None:
        self._home = home
        self._environment = environment
        self._process: Process | None = None

    async def start(self) -> None:
        with (self._home.process_logs / "triggerer.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "airflow", TRIGGERER, "--skip-serve-logs"),
                env=self._environment,
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )

    async def kill(self) -> None:
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()

    async def stop(self) -> None:
        if self._process is not None and self._process.returncode is None:
            await self.kill()


class Play:
    """What happens while the DAG runs."""

    def __init__(
        self,
        api: AirflowApi,
        rest: Writing,
        client: Client,
        namespace: str,
        triggerers: Triggerers,
    ) -> None:
        self._api = api
        self._rest = rest
        self._client = client
        self._namespace = namespace
        self._triggerers = triggerers
        self._seen = Seen()

    async def run(self) -> Seen:
        await self._api.log_in()
        await _until(lambda: self._api.knows_dag(DAG))
        watching = asyncio.create_task(self._remember_pods())
        await self._api.trigger(DAG, RUN)
        await asyncio.gather(
            self._lose_triggerer(), self._end_task(), self._lose_worker(), self._drain_worker()
        )
        await _until(self._is_over)
        await self._look()
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        return self._seen

    async def _lose_triggerer(self) -> None:
        await self._says("deferred", "line 20", tail=1000)
        await self._says("deferred_then_ended", "line 5", tail=1000)
        await _until(lambda: self._is("deferred", "deferred"))
        await self._told("deferred", "line 15")
        await self._triggerers.kill()
        await self._triggerers.start()
        await _until(lambda: self._is("deferred_then_ended", "deferred"))
        # The new triggerer has it when it tells its log on.
        await self._told("deferred_then_ended", "line 60")
        await self._rest.mark_failed("deferred_then_ended")

    async def _end_task(self) -> None:
        await self._says("ended", "line 5", tail=1000)
        await self._rest.mark_failed("ended")

    async def _lose_worker(self) -> None:
        await self._says("crashed", "line 20", tail=1000)
        (await self._runner("crashed")).send_signal(signal.SIGKILL)

    async def _drain_worker(self) -> None:
        await self._says("drained", "line 20", tail=1000)
        supervisor = (await self._runner("drained")).parent()
        assert supervisor is not None
        supervisor.send_signal(signal.SIGTERM)

    async def _runner(self, task: str) -> psutil.Process:
        """The process in which a task runs."""
        instance = await self._rest.get(f"{_BASE}/{task}")
        for process in psutil.process_iter(["cmdline"]):
            title = " ".join(process.info["cmdline"] or ())
            if title.startswith(f"airflow worker -- {instance['id']}"):
                return process
        titles = [process.info["cmdline"] for process in psutil.process_iter(["cmdline"])]
        raise AssertionError(f"no process runs {task}, {instance['id']}: {titles}")

    async def _remember_pods(self) -> None:
        async for event in watch(self._client, PODS, self._namespace):
            if event.object is not None:
                metadata = event.object["metadata"]
                task = metadata["labels"]["task_id"]
                self._seen.pods.setdefault(task, set()).add(metadata["uid"])

    async def _says(self, task: str, line: str, tail: int) -> None:
        async def said() -> bool:
            pods = await self._client.list(PODS, self._namespace, label_selector=f"task_id={task}")
            for pod in pods.items:
                name = pod["metadata"]["name"]
                try:
                    log = await self._client.read_log(name, self._namespace, tail_lines=tail)
                except KubeError:
                    continue
                if line.encode() in log.splitlines():
                    return True
            return False

        await _until(said)

    async def _told(self, task: str, line: str) -> None:
        async def told() -> bool:
            return line in await self._log(task, 1)

        await _until(told)

    async def _log(self, task: str, number: int) -> list[str]:
        log = await self._rest.get(f"{_BASE}/{task}/logs/{number}?full_content=true")
        return [each["event"] if isinstance(each, dict) else each for each in log["content"]]

    async def _is(self, task: str, state: str) -> bool:
        found: Any = (await self._rest.get(f"{_BASE}/{task}"))["state"]
        return bool(found == state)

    async def _is_over(self) -> bool:
        return await self._api.run_state(DAG, RUN) in ("success", "failed")

    async def _look(self) -> None:
        seen = self._seen
        for task, tries in _TRIES.items():
            instance = await self._rest.get(f"{_BASE}/{task}")
            seen.states[task], seen.tries[task] = instance["state"], instance["try_number"]
            for number in range(1, tries + 1):
                seen.logs[task, number] = await self._log(task, number)

        async def is_quiet() -> bool:
            pods = (await self._client.list(PODS, self._namespace)).items
            seen.left = [pod["metadata"]["labels"]["task_id"] for pod in pods]
            return not pods

        await _until(is_quiet, 20.0, or_fail=False)


async def _until(
    condition: Callable[[], Awaitable[bool]], seconds: float = _SECONDS, *, or_fail: bool = True
) -> None:
    end = time.monotonic() + seconds
    while not await condition():
        if time.monotonic() > end:
            assert not or_fail, f"{condition} did not come true"
            return
        await asyncio.sleep(0.3)
