"""Namespaces whose quota is used up: their tasks wait, and nobody else does."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.functional.conftest import Cluster
    from tests.functional.executor.conftest import MakeDriver

pytestmark = pytest.mark.functional


def limit(cluster: Cluster, namespace: str, pods: int) -> None:
    """Give the namespace a quota, and wait until it holds."""
    path = f"/api/v1/namespaces/{namespace}/resourcequotas"
    quota = {"metadata": {"name": "small"}, "spec": {"hard": {"pods": str(pods)}}}
    status, answer = cluster.request("POST", path, quota)
    assert status == 201, answer
    while "hard" not in cluster.request("GET", f"{path}/small")[1].get("status", {}):
        pass


@pytest.fixture
def full(cluster: Cluster) -> Iterator[str]:
    """A second namespace, which takes no pods."""
    name = f"test-{secrets.token_hex(4)}"
    cluster.make_namespace(name)
    limit(cluster, name, 0)
    yield name
    cluster.remove_namespace(name)


def test_a_namespace_without_room_holds_up_no_task_of_another(
    make_driver: MakeDriver, namespace: str, full: str
) -> None:
    driver = make_driver(
        multi_namespace_mode=True,
        multi_namespace_mode_namespace_list=full,
        pod_creation_max_concurrency=2,
    )
    held = [driver.task(priority=9, override={"metadata": {"namespace": full}}) for _ in range(20)]
    free = [driver.task() for _ in range(5)]
    driver.queue(*held, *free)
    driver.until(lambda: all(driver.ends(each) for each in free), 10.0)
    assert not any(driver.ends(each) for each in held)
    driver.until(lambda: len(driver.told()) >= len(held))
    assert all("exceeded quota: small" in told for told in driver.told())


def test_room_that_is_made_goes_to_the_highest_priority_at_once(
    cluster: Cluster, make_driver: MakeDriver, namespace: str
) -> None:
    limit(cluster, namespace, 1)
    driver = make_driver()
    first = driver.task("sleep 2")
    driver.queue(first)
    driver.pod("Running")
    others = [driver.task(priority=priority) for priority in (1, 5, 9, 5)]
    driver.queue(*others)
    for each in (first, *others):
        driver.end(each)
    order = [key for key, state, _ in driver.events if state == "success"]
    assert order[0] == first.ti.key
    assert order[1:] == [others[index].ti.key for index in (2, 1, 3, 0)]
