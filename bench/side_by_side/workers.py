"""Plays the workers of pods that only seem to run: tells Airflow of a start and a success.

No program runs in a pod that KWOK plays, so nobody would call Airflow's Task Execution API. This
does, with the token of the pod's own workload, and then lets the pod end as a kubelet would.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp

from bench import Unmeasured
from bench.triggerer import ENDED
from podlift.kube import PODS, SECRETS, Client, Patch, watch
from podlift.sealing import KEY_VARIABLE, from_variables, unseal

_AT_ONCE = 16
_REFRESHED = "Refreshed-API-Token"


class Workers:
    """The workers of one namespace's pods."""

    def __init__(self, client: Client, namespace: str, api: str, logs: Path) -> None:
        self._client = client
        self._namespace = namespace
        self._api = api
        self._logs = logs
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._begun: set[str] = set()
        self._keys: dict[str, str] = {}

    async def run(self) -> None:
        """Work until cancelled. Raises ``Unmeasured`` when Airflow does not want what is told."""
        async with (
            aiohttp.ClientSession() as session,
            asyncio.TaskGroup() as tasks,
            aclosing(watch(self._client, PODS, self._namespace)) as events,
        ):
            async for event in events:
                pod = event.object
                if pod is not None and self._begins(event.kind, pod):
                    tasks.create_task(self._work(session, pod))

    def _begins(self, kind: str, pod: Mapping[str, Any]) -> bool:
        name = pod["metadata"]["name"]
        if kind == "DELETED" or pod["status"]["phase"] != "Running" or name in self._begun:
            return False
        self._begun.add(name)
        return True

    async def _work(self, session: aiohttp.ClientSession, pod: Mapping[str, Any]) -> None:
        name = pod["metadata"]["name"]
        workload = json.loads(await self._workload(pod))
        base = f"{self._api}/execution/task-instances/{workload['ti']['id']}"
        started = {
            "state": "running",
            "hostname": name,
            "unixname": "bench",
            "pid": 1,
            "start_date": _now(),
        }
        async with self._slots:
            token = await _tell(session, f"{base}/run", workload["token"], started)
            self._write_log(workload["log_path"])
            ended = {"state": "success", "end_date": _now()}
            await _tell(session, f"{base}/state", token, ended)
            await self._client.patch(
                PODS, name, self._namespace, ENDED, how=Patch.MERGE, subresource="status"
            )

    def _write_log(self, path: str) -> None:
        """As on a volume for logs, which workers and scheduler share: nothing is to be kept."""
        file = self._logs / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text('{"event": "done", "level": "info"}\n')

    async def _workload(self, pod: Mapping[str, Any]) -> str | bytes:
        """As Podlift's pods have it, sealed, or as the standard executor's do, an argument."""
        base = pod["spec"]["containers"][0]
        if not any(each["name"] == KEY_VARIABLE for each in base.get("env", ())):
            return str(base["args"][-1])
        plain = {each["name"]: each.get("value", "") for each in base["env"]}
        (key,) = (each for each in base["env"] if each["name"] == KEY_VARIABLE)
        return unseal(from_variables(plain), [await self._key(key["valueFrom"]["secretKeyRef"])])

    async def _key(self, reference: Mapping[str, str]) -> str:
        name = reference["name"]
        if name not in self._keys:
            secret = await self._client.get(SECRETS, name, self._namespace)
            self._keys[name] = base64.b64decode(secret["data"][reference["key"]]).decode()
        return self._keys[name]


async def _tell(session: aiohttp.ClientSession, url: str, token: str, body: Any) -> str:
    """One call; the token for the next."""
    headers = {"Authorization": f"Bearer {token}"}
    async with session.patch(url, json=body, headers=headers) as answer:
        if answer.status >= 400:
            raise Unmeasured(f"Airflow answers {answer.status} to {url}: {await answer.text()}")
        return answer.headers.get(_REFRESHED, token)


def _now() -> str:
    return datetime.now(UTC).isoformat()
