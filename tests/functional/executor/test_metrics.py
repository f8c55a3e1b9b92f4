"""What a statsd server hears of the executor."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from airflow._shared.observability.metrics.statsd_logger import get_statsd_logger

from podlift.compat import airflow_stats
from podlift.executor import accounting, metrics

if TYPE_CHECKING:
    from tests.functional.executor.conftest import MakeDriver

pytestmark = pytest.mark.functional


class Listener:
    """A statsd server: keeps every line that comes in over UDP."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.setblocking(False)
        self.port: int = self._socket.getsockname()[1]
        self.heard: dict[str, list[str]] = {}

    def listen(self) -> dict[str, list[str]]:
        """Everything heard so far: each metric with its values as sent, ``1|c`` for a count."""
        while True:
            try:
                text = self._socket.recv(65536).decode()
            except BlockingIOError:
                return self.heard
            name, value = text.split(":", 1)
            self.heard.setdefault(name.removeprefix("airflow."), []).append(value)

    def close(self) -> None:
        self._socket.close()


class Sender:
    """What of the ``statsd`` package's client Airflow uses; the package itself is an extra."""

    def __init__(self, host: str, port: int, prefix: str, ipv6: bool) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._to, self._prefix = (host, port), prefix

    def _send(self, stat: str, value: str) -> None:
        self._socket.sendto(f"{self._prefix}.{stat}:{value}".encode(), self._to)

    def incr(self, stat: str, count: int, rate: float) -> None:
        self._send(stat, f"{count}|c")

    def gauge(self, stat: str, value: float, rate: float, delta: bool) -> None:
        self._send(stat, f"{value:g}|g")

    def timing(self, stat: str, milliseconds: float) -> None:
        self._send(stat, f"{milliseconds:g}|ms")


@pytest.fixture
def statsd(
    make_driver: MakeDriver, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], Listener]]:
    """Turns Airflow's metrics on, after the executor has initialised them as switched off."""
    listener, senders = Listener(), []

    def factory() -> Any:
        made: Any = get_statsd_logger(
            stats_class=Sender,
            host="127.0.0.1",
            port=listener.port,
            prefix="airflow",
        )
        senders.append(made.statsd)
        return made

    def turn_on() -> Listener:
        stats = airflow_stats()
        more = {"export_legacy_names": False} if not isinstance(stats, type) else {}
        stats.initialize(factory=factory, **more)
        return listener

    monkeypatch.setenv("AIRFLOW__METRICS__STATSD_ON", "True")
    monkeypatch.setattr(accounting, "_INTERVAL", 0.0)
    metrics._stats.cache_clear()
    yield turn_on
    metrics._stats.cache_clear()
    for sender in senders:
        sender._socket.close()
    listener.close()


def test_a_statsd_server_hears_of_every_step(
    make_driver: MakeDriver, statsd: Callable[[], Listener]
) -> None:
    driver = make_driver()
    listener = statsd()
    good, bad = driver.task("sleep 2"), driver.task("exit 3")
    driver.queue(good, bad)

    def over() -> bool:
        # Heard all the time: a socket only holds some hundred messages. A pod may be gone before
        # the answer to its deletion is here.
        return len(listener.listen().get("podlift.pods.deleted", ())) == 2

    driver.until(over)
    assert driver.ends(good)
    assert driver.ends(bad)
    heard = driver.until(lambda: (h := listener.listen()).get("podlift.executions.pending") and h)
    assert heard["podlift.pods.created"] == ["1|c"] * 2
    assert heard["podlift.pods.deleted"] == ["1|c"] * 2
    assert heard["podlift.logs.kept"] == ["1|c"] * 2
    assert heard["podlift.executions.succeeded"] == ["1|c"]
    assert heard["podlift.executions.failed.failed"] == ["1|c"]
    for times in ("pods.create_time", "pods.delete_time", "watch.lag"):
        values = [float(text.removesuffix("|ms")) for text in heard[f"podlift.{times}"]]
        assert len(values) == 2, times
        assert all(0 <= value < 10_000 for value in values), times
    assert heard["podlift.pods.start_time"]
    assert heard["podlift.queue_depth"][-1].endswith("|g")
    assert heard["podlift.pods.pending.image_pull"][-1] == "0|g"
    assert heard["podlift.create_rate"][-1] == "500|g"


def test_a_debug_dump_tells_a_person_what_waits_and_why(
    make_driver: MakeDriver, capfd: pytest.CaptureFixture[str]
) -> None:
    driver = make_driver()
    gate = {"spec": {"schedulingGates": [{"name": "podlift.dev/test"}]}}
    task = driver.task(override=gate)
    driver.queue(task)
    name = driver.pod("Pending")["metadata"]["name"]
    driver.until(lambda: any(state == "queued" for _, state, _ in driver.events))
    assert driver.executor._engine is not None
    page = driver.executor._engine.describe()
    assert "pending: 1" in page
    assert "pods pend for: scheduling 1" in page
    assert f"  {name}, " in page
    driver.executor.debug_dump()
    assert name in capfd.readouterr().out
    driver.executor.revoke_task(ti=task.ti)  # type: ignore[arg-type]
