"""Runs the DAG ``whole`` in a real Airflow, and writes down what could be seen of it."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from tests.e2e.tables import migrate

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
from podlift.kube import PODS, Client, load_connection, watch

DAGS = Path(__file__).with_name("dags")
DAG, RUN = "whole", "run"

_READY_SECONDS = 120.0
_RUN_SECONDS = 300.0
_SETTLE_SECONDS = 30.0


@dataclass(frozen=True)
class Scene:
    """Where it is played: the folder, the database, and the cluster with a namespace in it."""

    folder: Path
    database: str
    kubeconfig: Path
    namespace: str
    address: str
    template: dict[str, Any]


@dataclass
class Seen:
    """What Airflow's REST API and the cluster said."""

    run_state: str = ""
    tasks: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    tries: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    logs: dict[tuple[str, int], str] = field(default_factory=dict)
    xcoms: dict[str, Any] = field(default_factory=dict)
    pods: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Every pod that ever was, by its uid, as it was last seen."""
    told: list[str] = field(default_factory=list)
    """What the executor added to the tasks' event logs."""
    left: list[dict[str, Any]] = field(default_factory=list)


async def play(scene: Scene) -> Seen:
    """Start Airflow, run the DAG to its end, look at everything, stop Airflow."""
    seen = Seen()
    home = Home(scene.folder)
    home.create()
    port = choose_port(0, scene.address)
    serving = Serving(DAGS, port, "podlift.executor.KubernetesExecutor", host=scene.address)
    keys = load_secrets(home)
    home.pod_template.write_text(yaml.safe_dump(scene.template))
    podlift = {
        "namespace": scene.namespace,
        "in_cluster": "False",
        "config_file": str(scene.kubeconfig),
        "pod_template_file": str(home.pod_template),
    }
    write_configuration(home, serving, keys, {"podlift": podlift})
    environment = airflow_environment(home, os.environ)
    environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = scene.database
    await migrate(home, environment)
    async with AsyncExitStack() as ending:
        api = await ending.enter_async_context(AirflowApi(serving.url, ADMIN, keys.password))
        airflow = AirflowProcesses(home, environment)
        ending.push_async_callback(airflow.stop)
        await airflow.start(API_SERVER, SCHEDULER, DAG_PROCESSOR, TRIGGERER)
        await airflow.wait_ready(api, _READY_SECONDS)
        rest = await ending.enter_async_context(Rest(serving.url, keys.password))
        client = await ending.enter_async_context(
            Client(await load_connection(scene.kubeconfig, in_cluster=False))
        )
        watching = asyncio.create_task(_remember_pods(client, scene.namespace, seen))
        evicting = asyncio.create_task(_evict(scene, client))
        await _run(api, seen)
        await evicting
        seen.left = await _settled(client, scene.namespace)
        await _look(rest, seen)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    return seen


async def _remember_pods(client: Client, namespace: str, seen: Seen) -> None:
    async for event in watch(client, PODS, namespace):
        if event.object is not None:
            seen.pods[event.object["metadata"]["uid"]] = event.object


async def _run(api: AirflowApi, seen: Seen) -> None:
    end = time.monotonic() + _RUN_SECONDS
    await api.log_in()
    while not await api.knows_dag(DAG):
        assert time.monotonic() < end, await api.import_problems()
        await asyncio.sleep(0.5)
    await api.trigger(DAG, RUN)
    while (state := await api.run_state(DAG, RUN)) not in ("success", "failed"):
        assert time.monotonic() < end, await api.task_instances(DAG, RUN)
        await asyncio.sleep(1)
    seen.run_state = state


async def _evict(scene: Scene, client: Client) -> None:
    """Take the pod of the task ``taken_away`` from it, once it runs."""
    begun, end = scene.folder / "pods" / "taken-away", time.monotonic() + _RUN_SECONDS
    while not begun.exists():
        assert time.monotonic() < end, "the task did not begin"
        await asyncio.sleep(0.2)
    pods = await client.list(PODS, scene.namespace, label_selector="task_id=taken_away")
    await client.evict(pods.items[0]["metadata"]["name"], scene.namespace)


async def _settled(client: Client, namespace: str) -> list[dict[str, Any]]:
    """The pods that stay: a run ends before the last pods' logs are kept and they are deleted."""
    end = time.monotonic() + _SETTLE_SECONDS
    while True:
        pods = (await client.list(PODS, namespace)).items
        of_executor = [pod for pod in pods if "podlift.dev/executor" in pod["metadata"]["labels"]]
        if not of_executor or time.monotonic() > end:
            return pods
        await asyncio.sleep(0.5)


async def _look(rest: Rest, seen: Seen) -> None:
    logged = await rest.get(f"/eventLogs?dag_id={DAG}&event=podlift&limit=100")
    seen.told = [each["extra"] for each in logged["event_logs"]]
    base = f"/dags/{DAG}/dagRuns/{RUN}/taskInstances"
    for each in (await rest.get(f"{base}?limit=100"))["task_instances"]:
        task, index = each["task_id"], each["map_index"]
        label = task if index < 0 else f"{task}[{index}]"
        seen.tasks.setdefault(task, []).append(each)
        path = f"{base}/{task}" if index < 0 else f"{base}/{task}/{index}"
        seen.tries[label] = (await rest.get(f"{path}/tries"))["task_instances"]
        for number in range(1, each["try_number"] + 1):
            log = await rest.get(f"{base}/{task}/logs/{number}?map_index={index}&full_content=true")
            seen.logs[label, number] = "\n".join(map(str, log["content"]))
        entries = await rest.get(f"{base}/{task}/xcomEntries?map_index={index}")
        if any(entry["key"] == "return_value" for entry in entries["xcom_entries"]):
            query = f"map_index={index}&deserialize=true"
            value = await rest.get(f"{base}/{task}/xcomEntries/return_value?{query}")
            seen.xcoms[label] = value["value"]


class Rest:
    """Airflow's REST API, as an administrator reads it."""

    def __init__(self, url: str, password: str) -> None:
        self._url = url
        self._password = password

    async def __aenter__(self) -> Rest:
        self._session = aiohttp.ClientSession(raise_for_status=True)
        login = {"username": ADMIN, "password": self._password}
        async with self._session.post(f"{self._url}/auth/token", json=login) as answer:
            token = (await answer.json())["access_token"]
        self._session.headers["Authorization"] = f"Bearer {token}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def get(self, path: str) -> Any:
        async with self._session.get(f"{self._url}/api/v2{path}") as answer:
            return await answer.json()

    async def post(self, path: str, body: Any) -> Any:
        async with self._session.post(f"{self._url}/api/v2{path}", json=body) as answer:
            return await answer.json()
