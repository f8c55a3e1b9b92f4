"""Tasks that come to all sorts of ends."""

from __future__ import annotations

import time

from airflow.sdk import dag, task


@dag(schedule=None, catchup=False, is_paused_upon_creation=False)
def ends() -> None:
    @task
    def good() -> None:
        print("all is well")

    @task(executor_config={"pod_override": _base(resources={"limits": {"memory": "500Mi"}})})
    def hungry() -> None:
        print("the last words before the memory is gone")
        time.sleep(1)
        hoard = []
        while True:
            hoard.append(bytearray(64 << 20))

    @task
    def evicted() -> None:
        print("waiting to be evicted")
        time.sleep(600)

    @task
    def deleted() -> None:
        print("waiting to be deleted")
        time.sleep(600)

    secret = {"name": "no-such-secret", "key": "password"}
    missing = [{"name": "PASSWORD", "valueFrom": {"secretKeyRef": secret}}]

    @task(executor_config={"pod_override": _base(env=missing)})
    def never_began() -> None:
        raise AssertionError("this cannot run")

    @task(executor_config={"pod_override": _base(resources={"requests": {"cpu": "1000"}})})
    def waiting() -> None:
        raise AssertionError("there is no such node")

    for each in (good, hungry, evicted, deleted, never_began, waiting):
        each()


def _base(**fields: object) -> dict[str, object]:
    return {"spec": {"containers": [{"name": "base", **fields}]}}


ends()
