"""Namespaces, and what is in them, that vanish underneath: their tasks hear of it, no others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.functional.conftest import Cluster
    from tests.functional.executor.conftest import Driver, MakeDriver

pytestmark = pytest.mark.functional


@pytest.fixture
def other(cluster: Cluster, namespace: str) -> Iterator[str]:
    """A second namespace, which will be deleted underneath."""
    name = f"{namespace}-other"
    cluster.make_namespace(name)
    yield name
    cluster.remove_namespace(name)


@pytest.fixture
def driver(make_driver: MakeDriver, other: str) -> Driver:
    return make_driver(
        multi_namespace_mode=True,
        multi_namespace_mode_namespace_list=other,
        infrastructure_retries=1,
    )


def elsewhere(other: str, script: str) -> dict[str, Any]:
    """An override that puts the pod into the other namespace."""
    base = {"name": "base", "command": ["sh", "-c", script]}
    return {"metadata": {"namespace": other}, "spec": {"containers": [base]}}


def test_a_namespace_that_is_deleted_fails_its_tasks_in_a_sentence_and_stops_nothing_else(
    driver: Driver, cluster: Cluster, other: str
) -> None:
    warm_up = driver.task(override=elsewhere(other, "exit 0"))
    lost = driver.task(override=elsewhere(other, "sleep 60"))
    here = driver.task("sleep 1; echo unharmed")
    driver.queue(warm_up, lost, here)
    assert driver.end(warm_up) == ("success", None)

    def running() -> bool:
        _, listed = cluster.request("GET", f"/api/v1/namespaces/{other}/pods")
        return any(pod["status"]["phase"] == "Running" for pod in listed["items"])

    driver.until(running)
    cluster.remove_namespace(other)
    state, info = driver.end(lost)
    assert state == "failed"
    assert other in info
    assert "\n" not in info
    driver.until(lambda: cluster.request("GET", f"/api/v1/namespaces/{other}")[0] == 404)
    late = driver.task(override=elsewhere(other, "exit 0"))
    driver.queue(late)
    state, info = driver.end(late)
    assert (state, f'namespaces "{other}" not found' in info) == ("failed", True)
    assert driver.end(here) == ("success", None)

    cluster.make_namespace(other)  # with no Secret in it
    again = driver.task(override=elsewhere(other, "exit 0"))
    driver.queue(again)
    assert driver.end(again) == ("success", None)


def test_the_key_comes_back_when_somebody_deletes_its_secret(
    driver: Driver, cluster: Cluster, namespace: str
) -> None:
    first, second = driver.task("exit 0"), driver.task("exit 0")
    driver.queue(first)
    assert driver.end(first) == ("success", None)
    secret = f"/api/v1/namespaces/{namespace}/secrets/podlift-seal"
    _, before = cluster.request("GET", secret)
    assert cluster.request("DELETE", secret)[0] == 200
    driver.queue(second)
    assert driver.end(second) == ("success", None)
    _, after = cluster.request("GET", secret)
    assert after["data"] == before["data"]
