"""Runs the DAG ``ends`` in an Airflow whose components share no folder, and reads its logs."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import aiohttp
import yaml
from tests.e2e.stores import Store
from tests.e2e.tables import migrate
from tests.e2e.whole_run import DAGS, RUN, Rest, Scene

from podlift.cli.airflow_api import AirflowApi
from podlift.cli.airflow_processes import (
    API_SERVER,
    DAG_PROCESSOR,
    SCHEDULER,
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
from podlift.cli.processes import Child, Command
from podlift.kube import PODS, Client, load_connection

DAG = "ends"
TASKS = ("good", "hungry", "evicted", "deleted", "never_began")
_READY_SECONDS = 120.0
_SECONDS = 180.0


@dataclass
class Told:
    """What the log pages said."""

    states: dict[str, str] = field(default_factory=dict)
    running: str = ""
    """Of a task that was running."""
    waiting: str = ""
    """Of a task whose pod was pending."""
    logs: dict[str, str] = field(default_factory=dict)
    """Of each task whose pod was gone."""
    without_scheduler: dict[str, str] = field(default_factory=dict)
    """The same after the scheduler had stopped."""


async def play(scene: Scene, store: Store | None = None) -> Told:
    """Start Airflow, let the tasks come to their ends, read their logs, stop Airflow.

    Its logs go to the ``store``, where one is given.
    """
    home = Home(scene.folder)
    home.create()
    serving = Serving(
        DAGS,
        choose_port(0, scene.address),
        "podlift.executor.KubernetesExecutor",
        host=scene.address,
    )
    keys = load_secrets(home)
    home.pod_template.write_text(yaml.safe_dump(scene.template))
    options = {
        "podlift": {
            "namespace": scene.namespace,
            "in_cluster": "False",
            "config_file": str(scene.kubeconfig),
            "pod_template_file": str(home.pod_template),
            "infrastructure_retries": "0",
            "pending_failure_timeout": "5",
        },
        "logging": {
            "worker_log_server_port": str(choose_port(0, scene.address)),
            **(store.logging() if store else {}),
        },
        "scheduler": {"task_queued_timeout": "3600"},
    }
    write_configuration(home, serving, keys, options)
    environment = airflow_environment(home, os.environ)
    environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = scene.database
    environment |= store.environment if store else {}
    await migrate(home, environment)
    async with AsyncExitStack() as ending:
        api = await ending.enter_async_context(AirflowApi(serving.url, ADMIN, keys.password))
        of_server = {"AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(scene.folder / "servers-own")}
        server = AirflowProcesses(home, environment | of_server)
        ending.push_async_callback(server.stop)
        others = AirflowProcesses(home, environment)
        ending.push_async_callback(others.stop)
        await server.start(API_SERVER)
        await others.start(DAG_PROCESSOR)
        scheduler = await _scheduler(home, environment)
        ending.push_async_callback(scheduler.stop, 15.0)
        await server.wait_ready(api, _READY_SECONDS)
        rest = await ending.enter_async_context(Rest(serving.url, keys.password))
        client = await ending.enter_async_context(
            Client(await load_connection(scene.kubeconfig, in_cluster=False))
        )
        if store is not None:
            await rest.post("/connections", store.connection)
        told = Told()
        await _end_all(api, rest, client, scene.namespace, told)
        told.logs = {task: await _log(rest, task) for task in TASKS}
        await scheduler.stop(15.0)
        told.without_scheduler = {task: await _log(rest, task) for task in TASKS}
    return told


async def _scheduler(home: Home, environment: dict[str, str]) -> Child:
    """A scheduler that serves its logs, as it does by default."""
    return await Child.start(
        Command(
            name="Airflow's scheduler",
            arguments=[sys.executable, "-m", "airflow", SCHEDULER],
            environment=environment,
            log=home.process_logs / "scheduler.log",
        )
    )


async def _end_all(api: AirflowApi, rest: Rest, client: Client, namespace: str, told: Told) -> None:
    await api.log_in()
    await _until(lambda: api.knows_dag(DAG))
    await api.trigger(DAG, RUN)
    for task in ("evicted", "deleted"):
        told.running = await _until(partial(_says, rest, task, "waiting to be"))
        [pod] = await _pods(client, namespace, task)
        if task == "evicted":
            await client.evict(pod, namespace)
        else:
            await client.delete(PODS, pod, namespace)
    told.waiting = await _until(lambda: _says(rest, "waiting", "Insufficient cpu"))

    async def over() -> bool:
        instances = await rest.get(f"/dags/{DAG}/dagRuns/{RUN}/taskInstances?limit=100")
        told.states = {each["task_id"]: each["state"] for each in instances["task_instances"]}
        ended = all(told.states[task] in ("success", "failed") for task in TASKS)
        left = [pod for task in TASKS for pod in await _pods(client, namespace, task)]
        return ended and not left

    await _until(over)


async def _pods(client: Client, namespace: str, task: str) -> list[str]:
    pods = await client.list(PODS, namespace, label_selector=f"task_id={task}")
    return [pod["metadata"]["name"] for pod in pods.items]


async def _says(rest: Rest, task: str, words: str) -> str:
    try:
        log = await _log(rest, task)
    except aiohttp.ClientResponseError as error:
        if error.status != 404:  # which says that there is no first try yet
            raise
        return ""
    return log if words in log else ""


async def _log(rest: Rest, task: str) -> str:
    path = f"/dags/{DAG}/dagRuns/{RUN}/taskInstances/{task}/logs/1?full_content=true"
    log = await rest.get(path)
    return "\n".join(map(str, log["content"]))


async def _until(question: Callable[[], Any]) -> Any:
    end = time.monotonic() + _SECONDS
    while not (answer := await question()):
        assert time.monotonic() < end, "it took too long"
        await asyncio.sleep(0.5)
    return answer
