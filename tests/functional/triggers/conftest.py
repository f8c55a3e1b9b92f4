"""Tasks that are deferred: their trigger runs in an event loop of the test's own."""

from __future__ import annotations

import asyncio
import importlib
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

import pytest
from airflow.sdk.bases.operator import ExecutorSafeguard
from airflow.sdk.exceptions import TaskDeferred
from airflow.triggers.base import BaseTrigger
from tests.functional.operators.conftest import Task, log, task

__all__ = ["log", "task"]


class Triggerer:
    """Runs triggers in one event loop, as Airflow's triggerer does."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()
        self._running: list[Future[dict[str, Any]]] = []

    def start(self, deferred: TaskDeferred) -> Running:
        """Run a trigger, made of what would be in Airflow's database."""
        path, arguments = deferred.trigger.serialize()
        module, _, name = path.rpartition(".")
        kind = getattr(importlib.import_module(module), name)
        trigger: BaseTrigger = kind(**json.loads(json.dumps(arguments)))
        future = asyncio.run_coroutine_threadsafe(_event_of(trigger), self.loop)
        self._running.append(future)
        return Running(self.loop, trigger, future)

    def stop(self) -> None:
        """Stop all triggers, in the way of a triggerer that is told to end."""
        for each in self._running:
            each.cancel()
        asyncio.run_coroutine_threadsafe(_all_others(), self.loop).result(30)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


async def _all_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.gather(*others, return_exceptions=True)


async def _event_of(trigger: BaseTrigger) -> dict[str, Any]:
    events = [event.payload async for event in trigger.run()]
    assert len(events) == 1
    payload: dict[str, Any] = json.loads(json.dumps(events[0]))
    return payload


class Running:
    """One trigger that runs."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        trigger: BaseTrigger,
        future: Future[dict[str, Any]],
    ) -> None:
        self.trigger = trigger
        self._loop = loop
        self._future = future

    def event(self, timeout: float = 60) -> dict[str, Any]:
        """What it fires."""
        return self._future.result(timeout)

    def kill(self) -> None:
        """Do what Airflow does when a user ends the task."""
        self._future.cancel()
        asyncio.run_coroutine_threadsafe(self.trigger.on_kill(), self._loop).result(30)


@pytest.fixture
def triggerer() -> Iterator[Triggerer]:
    running = Triggerer()
    yield running
    with suppress(RuntimeError):  # a test has stopped it
        running.stop()


def deferred(task: Task) -> TaskDeferred:
    """Execute a task that defers itself; returns what it raises for that."""
    with pytest.raises(TaskDeferred) as raised:
        task.run()
    return raised.value


def resumed(task: Task, event: dict[str, Any]) -> Any:
    """Go on with a task as Airflow does when its trigger has fired."""
    ExecutorSafeguard.tracker.set(task.operator)
    context: Any = {"ti": task.instance}
    return task.operator.resume_execution("trigger_reentry", {"event": event}, context)


MakeTask = Callable[..., Task]
