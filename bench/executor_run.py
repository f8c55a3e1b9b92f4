"""One measurement of the executor in a process of its own; prints its result as JSON.

python -m bench.executor_run finish KUBECONFIG NAMESPACE TASKS SECONDS PAUSE
python -m bench.executor_run grow   KUBECONFIG NAMESPACE SIZE...
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from bench import Unmeasured
from bench.companion import Companion
from bench.driving import Driver, configure, megabytes, started
from bench.kubelet import simulated_kubelet
from bench.load import task, write_template

_PAUSE = 0.02
_WARMING = 20
"""Tasks before the measurement: what is imported and connected once is no cost of a task."""
_TOUCHES = 2000
_WAVES = 4
_ARRIVING = 500
_FORGOTTEN = 5000
"""Changes: more than the local cluster remembers."""
_RELIST_SECONDS = 10.0
"""Longer than the watch waits between two tries, and the list takes."""


def finish(driver: Driver, kubelet: Companion, count: int, pause: float) -> dict[str, Any]:
    """Tasks from `queue_workload` to their vanished pods: rate, CPU, heartbeats."""
    driver.queue([task(count + number) for number in range(_WARMING)])
    driver.until(lambda: driver.ended == _WARMING, pause)
    tasks = [task(number) for number in range(count)]
    driver.forget_beats()
    own, cpu = time.thread_time(), time.process_time()
    driver.queue(tasks)
    seconds = driver.until(lambda: driver.ended == _WARMING + count, pause)
    kubelet.ask("empty")
    seconds += driver.until(kubelet.answered, 0.001)
    spent = time.process_time() - cpu
    return {
        "seconds": seconds,
        "cpu": spent,
        "scheduler_cpu": time.thread_time() - own,
        "heartbeat": driver.forget_beats(),
    }


class Steps:
    """An executor whose pods become more and more, and what it costs to have them."""

    def __init__(self, driver: Driver, kubelet: Companion, machine: Companion) -> None:
        self._driver = driver
        self._kubelet = kubelet
        self._machine = machine
        self._made = 0
        self._empty = megabytes()

    def grow(self, size: int) -> dict[str, Any]:
        """Have `size` tasks running, and measure."""
        driver = self._driver
        driver.queue([task(self._made + n) for n in range(size - self._made)])
        self._made = size
        self._kubelet.ask(f"running {size}")
        growing = driver.until(self._kubelet.answered, _PAUSE)
        driver.rest(2.0, _PAUSE)
        self._beats()
        idle = self._cpu_of(lambda: driver.rest(5.0, _PAUSE)) / 5.0
        beats = self._beats()
        began = time.perf_counter()
        touching = self._cpu_of(self._touch)
        took = time.perf_counter() - began
        busy = self._beats()
        return {
            "alive": size,
            "grown_in": growing,
            "idle_cpu_percent": idle * 100,
            "heartbeat": beats,
            "event_us": max(0.0, touching - idle * took) / _TOUCHES * 1e6,
            "heartbeat_with_events": busy,
            "megabytes": megabytes() - self._empty,
        }

    def _beats(self) -> dict[str, Any]:
        """The heartbeats since the last time, and what the machine made of the like meanwhile."""
        return {**self._driver.forget_beats(), "machine": json.loads(self._machine.tell("beats"))}

    def arrive(self, template: Path) -> dict[str, Any]:
        """Some hundreds of short tasks a second arrive beside those that run."""
        driver = self._driver
        self._beats()
        before = driver.ended
        config = {"pod_template_file": str(template)}
        began = time.perf_counter()
        for wave in range(_WAVES):
            driver.queue(
                [task(1_000_000 + wave * _ARRIVING + n, config=config) for n in range(_ARRIVING)]
            )
            driver.rest(max(0.0, began + wave + 1 - time.perf_counter()), _PAUSE)
        driver.until(lambda: driver.ended - before >= _WAVES * _ARRIVING, _PAUSE)
        return {"heartbeat_with_arrivals": self._beats()}

    def relist(self, line: Companion) -> dict[str, Any]:
        """The watch breaks, so much happens meanwhile that its place is forgotten, all is listed.

        Measured from the moment at which the server can be reached again.
        """
        driver, relists = self._driver, count_relists()
        self._ask(line, "cut")
        self._ask(self._kubelet, f"touch {_FORGOTTEN}")
        self._beats()
        cpu, began = time.process_time(), time.perf_counter()
        self._ask(line, "mend")
        driver.rest(_RELIST_SECONDS, _PAUSE)
        spent, took = time.process_time() - cpu, time.perf_counter() - began
        if not relists:
            raise Unmeasured("the watch went on where it was, so nothing was listed again")
        return {"relist": {**self._beats(), "cpu": spent, "seconds": took}}

    def _ask(self, companion: Companion, what: str) -> None:
        companion.ask(what)
        self._driver.until(companion.answered, _PAUSE)

    def _touch(self) -> None:
        self._kubelet.ask(f"touch {_TOUCHES}")
        self._driver.until(self._kubelet.answered, _PAUSE)
        self._driver.rest(0.5, _PAUSE)

    @staticmethod
    def _cpu_of(work: Any) -> float:
        before = time.process_time()
        work()
        return time.process_time() - before


def count_relists() -> list[float]:
    """The moments at which the executor has listed everything anew from now on."""
    from podlift.executor import metrics

    moments: list[float] = []
    report = metrics.relisted

    def relisted() -> None:
        moments.append(time.perf_counter())
        report()

    metrics.relisted = relisted
    return moments


@contextmanager
def cuttable(kubeconfig: Path, folder: Path) -> Iterator[tuple[Path, Companion | None]]:
    """A kubeconfig whose way to the server can be cut, if the server is on this machine.

    A real API server's memory of changes is too long for a measurement to outlive.
    """
    config = yaml.safe_load(kubeconfig.read_text())
    address = urlsplit(config["clusters"][0]["cluster"]["server"])
    if address.hostname != "127.0.0.1":
        yield kubeconfig, None
        return
    with Companion("bench.cutting", address.hostname, address.port) as line:
        config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{line.last}"
        other = folder / "kubeconfig"
        other.write_text(yaml.safe_dump(config))
        yield other, line


def grow(steps: Steps, line: Companion | None, folder: Path, sizes: list[int]) -> dict[str, Any]:
    """One step after the other; arrivals at 5,000 pods, a relist at the last."""
    found: list[dict[str, Any]] = []
    for size in sizes:
        step = steps.grow(size)
        if size == 5000:
            step |= steps.arrive(write_template(folder, 0.5))
        if size == sizes[-1] and line is not None:
            step |= steps.relist(line)
        print(json.dumps(step), file=sys.stderr, flush=True)
        found.append(step)
    return {"steps": found}


def main(what: str, kubeconfig: str, namespace: str, *rest: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="podlift-bench-") as home:
        folder = Path(home)
        seconds = float(rest[1]) if what == "finish" else 3600.0
        with ExitStack() as stack:
            reached, line = Path(kubeconfig), None
            if what == "grow":
                reached, line = stack.enter_context(cuttable(Path(kubeconfig), folder))
            configure(
                folder,
                namespace=namespace,
                config_file=reached,
                pod_template_file=write_template(folder, seconds),
                shutdown_timeout=1,
            )
            kubelet = stack.enter_context(simulated_kubelet(Path(kubeconfig), namespace))
            driver = stack.enter_context(started())
            driver.rest(0.5, _PAUSE)
            if what == "finish":
                return finish(driver, kubelet, int(rest[0]), float(rest[2]))
            machine = stack.enter_context(Companion("bench.unloaded"))
            return grow(Steps(driver, kubelet, machine), line, folder, [int(size) for size in rest])


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
