"""Airflow's REST API, asked as a user of an installed Airflow asks it."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

_SECONDS = 240.0
_TELLING = ("monitor/health", "importErrors", "dags?limit=10")
_PAUSE = 0.5
_ENDED = ("success", "failed")
_COMPONENTS = ("metadatabase", "scheduler", "triggerer", "dag_processor")


@dataclass
class Rest:
    """One Airflow. Every new pod has another address, so ``where`` is asked before each request."""

    where: Callable[[], str]
    password: str
    _token: str = field(default="", repr=False)

    def run(self, dag: str, run: str) -> str:
        """Run a DAG once it is known, to its end; gives the run's state."""
        path = f"/api/v2/dags/{dag}"
        self._until(lambda: self._ask("GET", path)[0] == 200, f"DAG {dag} is not known")
        body = {"dag_run_id": run, "logical_date": None}
        status, answer = self._ask("POST", f"{path}/dagRuns", body)
        assert status == 200, answer
        self._until(lambda: self.state(dag, run) in _ENDED, f"{dag} does not end")
        return self.state(dag, run)

    def again(self, dag: str, run: str) -> str:
        """Run all tasks of a run once more, to its end; gives the run's state."""
        body = {"dag_run_id": run, "dry_run": False, "only_failed": False}
        status, answer = self._ask("POST", f"/api/v2/dags/{dag}/clearTaskInstances", body)
        assert status == 200, answer
        self._until(lambda: self.state(dag, run) in _ENDED, f"{dag} does not end again")
        return self.state(dag, run)

    def other_version(self, dag: str, old: str) -> str:
        """Wait until the DAG is of another version of its bundle; gives that."""
        path = f"/api/v2/dags/{dag}"
        self._until(
            lambda: self._ask("GET", path)[1]["bundle_version"] != old, f"{dag} stays at {old}"
        )
        return str(self._ask("GET", path)[1]["bundle_version"])

    def state(self, dag: str, run: str) -> str:
        """How a run is, or ended."""
        return str(self._ask("GET", f"/api/v2/dags/{dag}/dagRuns/{quote(run)}")[1].get("state"))

    def log(self, dag: str, run: str, attempt: int = 1) -> str:
        """The log of one try of the DAG's task."""
        task = f"/api/v2/dags/{dag}/dagRuns/{quote(run)}/taskInstances/say"
        path = f"{task}/logs/{attempt}?full_content=true"
        status, answer = self._ask("GET", path)
        assert status == 200, answer
        return json.dumps(answer["content"])

    def all_are_healthy(self) -> None:
        """Wait until every component has told of itself lately."""
        path, well = "/api/v2/monitor/health", dict.fromkeys(_COMPONENTS, "healthy")
        self._until(lambda: _statuses(self._ask("GET", path)[1]) == well, "not all are healthy")

    def _until(self, condition: Callable[[], bool], complaint: str) -> None:
        end = time.monotonic() + _SECONDS
        while not condition():
            if time.monotonic() > end:
                found = [self._ask("GET", f"/api/v2/{path}")[1] for path in _TELLING]
                raise AssertionError(complaint, found)
            time.sleep(_PAUSE)

    def _ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Ask again while nobody answers: a pod that is replaced takes its connections with it."""
        end = time.monotonic() + 60
        while True:
            try:
                if not self._token:
                    login = {"username": "admin", "password": self.password}
                    status, answer = self._send("POST", "/auth/token", login)
                    assert status == 201, answer
                    self._token = answer["access_token"]
                return self._send(method, path, body)
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(_PAUSE)

    def _send(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.where() + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, {"detail": error.read().decode(errors="replace")}


def _statuses(health: dict[str, Any]) -> dict[str, Any]:
    return {name: each["status"] for name, each in health.items()}
