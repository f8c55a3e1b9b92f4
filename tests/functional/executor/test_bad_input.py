"""What is missing or wrong around the executor is said in a sentence, and stops nothing else."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from tests.functional.executor.test_busy_server import TroubledServer

if TYPE_CHECKING:
    from tests.functional.conftest import Cluster
    from tests.functional.executor.conftest import Driver, MakeDriver

pytestmark = pytest.mark.functional

Refuse = Callable[[web.Request], "tuple[str, str, str] | None"]
"""Which right (verb, resource, namespace) a request is refused for; None lets it through."""


class Guard(TroubledServer):
    """Stands before the cluster and refuses what a role would not allow."""

    refuse: Refuse = staticmethod(lambda request: None)
    closed = False

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if self.closed:
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        right = self.refuse(request)  # type: ignore[arg-type]
        if right is None:
            return await super()._handle(request)
        verb, resource, namespace = right
        message = (
            f'{resource} is forbidden: User "podlift" cannot {verb} resource "{resource}" in API '
            f'group "" in the namespace "{namespace}"'
        )
        body = {"kind": "Status", "status": "Failure", "reason": "Forbidden", "code": 403}
        return web.json_response(body | {"message": message}, status=403)


@pytest.fixture
def guard(cluster: Cluster, tmp_path: Path) -> Iterator[Guard]:
    server = Guard(cluster, tmp_path / "guarded.yaml")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def second(cluster: Cluster) -> Iterator[str]:
    """A second namespace."""
    name = f"test-{secrets.token_hex(4)}"
    cluster.make_namespace(name)
    yield name
    cluster.remove_namespace(name)


def on(method: str, ending: str, right: tuple[str, str, str]) -> Refuse:
    """Refuse requests by their method and the end of their path."""

    def refuse(request: web.Request) -> tuple[str, str, str] | None:
        return right if request.method == method and request.path.endswith(ending) else None

    return refuse


def test_a_missing_right_to_create_pods_fails_the_task_and_says_what_to_grant(
    make_driver: MakeDriver, guard: Guard
) -> None:
    driver = make_driver(config_file=guard.kubeconfig)
    guard.refuse = on("POST", "/pods", ("create", "pods", driver.namespace))
    task = driver.task("exit 0")
    driver.queue(task)
    state, info = driver.end(task)
    assert state == "failed"
    assert f"Grant it the verb create on pods by a Role in namespace {driver.namespace}." in info


def test_a_missing_right_to_read_the_key_says_what_to_grant(
    make_driver: MakeDriver, guard: Guard
) -> None:
    driver = make_driver(config_file=guard.kubeconfig)
    guard.refuse = on("GET", "/secrets/podlift-seal", ("get", "secrets", driver.namespace))
    task = driver.task("exit 0")
    driver.queue(task)
    assert "Grant it the verb get on secrets" in driver.end(task)[1]


def test_a_missing_right_to_delete_is_logged_and_the_task_reported(
    make_driver: MakeDriver, guard: Guard, caplog: pytest.LogCaptureFixture
) -> None:
    driver = make_driver(config_file=guard.kubeconfig)

    def refuse(request: web.Request) -> tuple[str, str, str] | None:
        return ("delete", "pods", driver.namespace) if request.method == "DELETE" else None

    guard.refuse = refuse
    task = driver.task("exit 0")
    driver.queue(task)
    assert driver.end(task) == ("success", None)
    driver.until(lambda: "Grant it the verb delete on pods" in caplog.text)


def test_a_missing_right_to_read_logs_is_told_and_the_task_reported(
    make_driver: MakeDriver, guard: Guard
) -> None:
    driver = make_driver(config_file=guard.kubeconfig)
    guard.refuse = on("GET", "/log", ("get", "pods/log", driver.namespace))
    task = driver.task("exit 0")
    driver.queue(task)
    assert driver.end(task) == ("success", None)
    driver.until(lambda: any("Grant it the verb get on pods/log" in told for told in driver.told()))


@pytest.mark.parametrize("verb", ["list", "watch"])
def test_a_namespace_that_may_not_be_watched_stops_no_other(
    make_driver: MakeDriver,
    guard: Guard,
    second: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    verb: str,
) -> None:
    from podlift.executor import creating, sight

    monkeypatch.setattr(sight, "_LOOK_AGAIN", 0.3)
    monkeypatch.setattr(creating, "_OUT_OF_SIGHT", 0.3)

    def refuse(request: web.Request) -> tuple[str, str, str] | None:
        there = request.method == "GET" and request.path == f"/api/v1/namespaces/{second}/pods"
        return (verb, "pods", second) if there else None

    guard.refuse = refuse
    caplog.set_level(logging.WARNING)
    driver = make_driver(
        config_file=guard.kubeconfig,
        multi_namespace_mode=True,
        multi_namespace_mode_namespace_list=second,
    )
    there = driver.task(
        override={
            "metadata": {"namespace": second},
            "spec": {"containers": [{"name": "base", "command": ["true"]}]},
        }
    )
    here = driver.task("exit 0")
    driver.queue(there, here)
    assert driver.end(here) == ("success", None)
    driver.until(lambda: any("cannot be watched" in told for told in driver.told()))
    assert driver.ends(there) == []
    assert _pods(driver, second) == []
    assert caplog.text.count(f"Pods in namespace {second} cannot be watched") == 1
    assert f"Grant it the verb {verb} on pods by a Role in namespace {second}" in caplog.text
    guard.refuse = lambda request: None  # somebody grants it
    assert driver.end(there) == ("success", None)


def _pods(driver: Driver, namespace: str) -> list[Any]:
    items: list[Any] = driver.cluster.request("GET", f"/api/v1/namespaces/{namespace}/pods")[1][
        "items"
    ]
    return items


def test_without_a_right_to_the_whole_cluster_the_own_namespace_is_still_served(
    make_driver: MakeDriver, guard: Guard, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(request: web.Request) -> tuple[str, str, str] | None:
        return ("list", "pods", "any") if request.path == "/api/v1/pods" else None

    guard.refuse = refuse
    driver = make_driver(config_file=guard.kubeconfig, multi_namespace_mode=True)
    task = driver.task("exit 0")
    driver.queue(task)
    assert driver.end(task) == ("success", None)
    assert "Pods in all namespaces cannot be watched" in caplog.text


def test_a_server_that_is_unreachable_at_first_keeps_nothing_but_the_tasks_waiting(
    make_driver: MakeDriver, guard: Guard
) -> None:
    guard.closed = True
    driver = make_driver(config_file=guard.kubeconfig)  # the scheduler starts
    task = driver.task("exit 0")
    driver.queue(task)
    driver.until(lambda: any("not created yet" in told for told in driver.told()))
    assert driver.ends(task) == []
    guard.closed = False
    assert driver.end(task) == ("success", None)


def test_credentials_that_have_expired_keep_tasks_waiting_until_there_are_new_ones(
    make_driver: MakeDriver, guard: Guard
) -> None:
    async def unauthorized(request: web.Request) -> web.StreamResponse | None:
        body = {"kind": "Status", "status": "Failure", "reason": "Unauthorized", "code": 401}
        return web.json_response(body | {"message": "Unauthorized"}, status=401)

    driver = make_driver(config_file=guard.kubeconfig)
    guard.troubles = [unauthorized]
    task = driver.task("exit 0")
    driver.queue(task)
    assert driver.end(task) == ("success", None)
    assert any("did not accept our credentials" in told for told in driver.told())
