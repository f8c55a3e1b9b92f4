"""How Airflow interrupts a task: by signals, in its main thread."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowTaskTimeout
from airflow.sdk.execution_time.timeout import timeout

from podlift.operators.errors import PodStopped

from .conftest import Task

pytestmark = pytest.mark.functional

ENDLESS = "trap 'exit 0' TERM; echo ready; while true; do sleep 0.1; done"


@pytest.fixture
def sigterm() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def test_sigterm_deletes_the_pod_and_is_no_success(
    task: Callable[..., Task], sigterm: None
) -> None:
    running = task(ENDLESS)
    # The handler of Airflow's task runner calls on_kill and returns; execute must not go on then.
    signal.signal(signal.SIGTERM, lambda *_: running.operator.on_kill())

    _send_when_ready(running, signal.SIGTERM)
    with pytest.raises(PodStopped):
        running.run()
    assert running.pods() == []


def test_a_task_that_times_out_deletes_its_pod(task: Callable[..., Task]) -> None:
    running = task(ENDLESS)
    _send_when_ready(running, signal.SIGALRM)
    limit: Any = timeout
    with pytest.raises(AirflowTaskTimeout), limit(60):
        running.run()
    assert running.pods() == []


def _send_when_ready(running: Task, number: signal.Signals) -> None:
    def send() -> None:
        running.log.wait_for("ready")
        os.kill(os.getpid(), number)

    threading.Thread(target=send).start()
