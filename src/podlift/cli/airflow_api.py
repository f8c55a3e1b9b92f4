"""The few requests that the command makes to Airflow's REST API."""

from __future__ import annotations

import asyncio
from datetime import datetime
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import aiohttp
import msgspec

from podlift.cli.errors import AirflowRefused, AirflowSilent

_ANSWER_SECONDS = 30.0
_TRIES = 5
_PAUSE_SECONDS = 1.0


class TaskInstance(msgspec.Struct, frozen=True):
    """One task instance, as the API shows it."""

    task_id: str
    map_index: int
    state: str | None
    try_number: int
    id: str = ""

    @property
    def label(self) -> str:
        """Name for people: `square[3]` for a mapped one."""
        return f"{self.task_id}[{self.map_index}]" if self.map_index >= 0 else self.task_id


class ImportProblem(msgspec.Struct, frozen=True):
    """A DAG file that Airflow could not import."""

    filename: str
    stack_trace: str


class Component(msgspec.Struct, frozen=True):
    """Health of a component; the field with the time of its last heartbeat has its name in it."""

    status: str | None = None
    latest_scheduler_heartbeat: datetime | None = None
    latest_dag_processor_heartbeat: datetime | None = None
    latest_triggerer_heartbeat: datetime | None = None

    def beat_since(self, moment: datetime) -> bool:
        """Tell whether it is healthy, with a heartbeat at or after `moment`."""
        beat = (
            self.latest_scheduler_heartbeat
            or self.latest_dag_processor_heartbeat
            or self.latest_triggerer_heartbeat
        )
        return self.status == "healthy" and beat is not None and beat >= moment


class Health(msgspec.Struct, frozen=True):
    """What `/monitor/health` answers."""

    metadatabase: Component
    scheduler: Component
    dag_processor: Component
    triggerer: Component


class _TaskInstances(msgspec.Struct):
    task_instances: list[TaskInstance]


class _ImportProblems(msgspec.Struct):
    import_errors: list[ImportProblem]


class _Token(msgspec.Struct):
    access_token: str


class _Run(msgspec.Struct):
    state: str


class AirflowApi:
    """A session with one Airflow; make it in a running event loop and use it with `async with`."""

    def __init__(self, url: str, user: str, password: str) -> None:
        self._url = url
        self._login = {"username": user, "password": password}
        self._headers: dict[str, str] = {}
        # aiohttp takes no proxy from the environment unless told to; the server is on this machine.
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_ANSWER_SECONDS))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._session.close()

    async def health(self) -> Health | None:
        """Return the health of all components; None while the server does not answer."""
        try:
            body = await self._request("GET", "/api/v2/monitor/health")
        except AirflowSilent:
            return None
        return msgspec.json.decode(body, type=Health)

    async def warm_up(self) -> None:
        """Have the execution API built, which Airflow does at the first request to it.

        That takes seconds in which the server answers nobody: better now than while tasks wait.
        """
        await self._get("/execution/health")

    async def log_in(self) -> None:
        """Exchange the password for a token; the other requests need it."""
        body = await self._request("POST", "/auth/token", json=self._login)
        token = msgspec.json.decode(body, type=_Token).access_token
        self._headers = {"Authorization": f"Bearer {token}"}

    async def knows_dag(self, dag_id: str) -> bool:
        """Tell whether the DAG has been parsed and stored."""
        try:
            await self._get(f"/api/v2/dags/{quote(dag_id, safe='')}")
        except AirflowRefused as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return False
        return True

    async def import_problems(self) -> list[ImportProblem]:
        """Return the DAG files that cannot be imported."""
        body = await self._get("/api/v2/importErrors?limit=100")
        return msgspec.json.decode(body, type=_ImportProblems).import_errors

    async def trigger(self, dag_id: str, run_id: str) -> None:
        """Start a run of the DAG."""
        await self._request(
            "POST",
            f"/api/v2/dags/{quote(dag_id, safe='')}/dagRuns",
            json={"dag_run_id": run_id, "logical_date": None},
        )

    async def run_state(self, dag_id: str, run_id: str) -> str:
        """Return the state of a run: queued, running, success or failed."""
        body = await self._get(self._run_path(dag_id, run_id))
        return msgspec.json.decode(body, type=_Run).state

    async def task_instances(self, dag_id: str, run_id: str) -> list[TaskInstance]:
        """Return all task instances of a run."""
        body = await self._get(f"{self._run_path(dag_id, run_id)}/taskInstances?limit=100")
        return msgspec.json.decode(body, type=_TaskInstances).task_instances

    def _run_path(self, dag_id: str, run_id: str) -> str:
        return f"/api/v2/dags/{quote(dag_id, safe='')}/dagRuns/{quote(run_id, safe='')}"

    async def _get(self, path: str) -> bytes:
        """Ask again when nobody answers: on a busy machine the server may take its time."""
        for _ in range(_TRIES - 1):
            try:
                return await self._request("GET", path)
            except AirflowSilent:
                await asyncio.sleep(_PAUSE_SECONDS)
        return await self._request("GET", path)

    async def _request(self, method: str, path: str, json: Any = None) -> bytes:
        try:
            async with self._session.request(
                method, self._url + path, json=json, headers=self._headers
            ) as response:
                body = await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise AirflowSilent(
                f"Airflow did not answer {method} {path} ({type(error).__name__}): the machine may"
                " be too busy; try again."
            ) from error
        if response.status >= HTTPStatus.BAD_REQUEST:
            raise AirflowRefused(
                f"Airflow answered {response.status} to {method} {path}: "
                + body.decode(errors="replace")[:500],
                response.status,
            )
        return body
