"""One measurement of the executor in a process of its own; prints its result as JSON.

python -m bench.executor_run finish KUBECONFIG NAMESPACE TASKS SECONDS PAUSE
python -m bench.executor_run grow   KUBECONFIG NAMESPACE SIZE...
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from bench.driving import Driver, configure, megabytes, started
from bench.kubelet import simulated_kubelet
from bench.load import task, write_template

_PAUSE = 0.02
_TOUCHES = 2000
_WAVES = 4
_ARRIVING = 500


def finish(driver: Driver, kubelet: _Kubelet, count: int, pause: float) -> dict[str, Any]:
    """Tasks from `queue_workload` to their vanished pods: rate, CPU, heartbeats."""
    tasks = [task(number) for number in range(count)]
    driver.forget_beats()
    own, cpu = time.thread_time(), time.process_time()
    driver.queue(tasks)
    seconds = driver.until(lambda: driver.ended == count, pause)
    kubelet.ask("empty")
    seconds += driver.until(kubelet.answered, 0.001)
    spent = time.process_time() - cpu
    return {
        "seconds": seconds,
        "cpu": spent,
        "scheduler_cpu": time.thread_time() - own,
        "heartbeat": driver.beats.milliseconds(),
    }


class Steps:
    """An executor whose pods become more and more, and what it costs to have them."""

    def __init__(self, driver: Driver, kubelet: _Kubelet) -> None:
        self._driver = driver
        self._kubelet = kubelet
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
        driver.forget_beats()
        idle = self._cpu_of(lambda: driver.rest(5.0, _PAUSE)) / 5.0
        beats = driver.forget_beats().milliseconds()
        began = time.perf_counter()
        touching = self._cpu_of(self._touch)
        took = time.perf_counter() - began
        busy = driver.forget_beats().milliseconds()
        return {
            "alive": size,
            "grown_in": growing,
            "idle_cpu_percent": idle * 100,
            "heartbeat": beats,
            "event_us": max(0.0, touching - idle * took) / _TOUCHES * 1e6,
            "heartbeat_with_events": busy,
            "megabytes": megabytes() - self._empty,
        }

    def arrive(self, template: Path) -> dict[str, Any]:
        """Some hundreds of short tasks a second arrive beside those that run."""
        driver = self._driver
        driver.forget_beats()
        before = driver.ended
        config = {"pod_template_file": str(template)}
        began = time.perf_counter()
        for wave in range(_WAVES):
            driver.queue(
                [task(1_000_000 + wave * _ARRIVING + n, config=config) for n in range(_ARRIVING)]
            )
            driver.rest(max(0.0, began + wave + 1 - time.perf_counter()), _PAUSE)
        driver.until(lambda: driver.ended - before >= _WAVES * _ARRIVING, _PAUSE)
        return {"heartbeat_with_arrivals": driver.forget_beats().milliseconds()}

    def _touch(self) -> None:
        self._kubelet.ask(f"touch {_TOUCHES}")
        self._driver.until(self._kubelet.answered, _PAUSE)
        self._driver.rest(0.5, _PAUSE)

    @staticmethod
    def _cpu_of(work: Any) -> float:
        before = time.process_time()
        work()
        return time.process_time() - before


class _Kubelet:
    """The simulated kubelet as the scheduler's thread talks to it; the loop runs in another."""

    def __init__(self, kubeconfig: Path, namespace: str) -> None:
        self._where = kubeconfig, namespace
        self._loop = asyncio.new_event_loop()
        self._ready, self._stop = threading.Event(), asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=[self._run()])
        self._process: asyncio.subprocess.Process | None = None
        self._asked: Any = None

    async def _run(self) -> None:
        async with simulated_kubelet(*self._where) as self._process:
            self._ready.set()
            await self._stop.wait()

    def __enter__(self) -> _Kubelet:
        self._thread.start()
        if not self._ready.wait(30):
            raise RuntimeError("the simulated kubelet did not start")
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._loop.close()

    def ask(self, what: str) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        writer, reader = self._process.stdin, self._process.stdout

        async def exchange() -> None:
            writer.write(f"{what}\n".encode())
            await reader.readline()

        self._asked = asyncio.run_coroutine_threadsafe(exchange(), self._loop)

    def answered(self) -> bool:
        return bool(self._asked.done())


def main(what: str, kubeconfig: str, namespace: str, *rest: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="podlift-bench-") as home:
        folder = Path(home)
        seconds = float(rest[1]) if what == "finish" else 3600.0
        template = write_template(folder, seconds)
        configure(
            folder,
            namespace=namespace,
            config_file=kubeconfig,
            pod_template_file=template,
            shutdown_timeout=1,
        )
        with _Kubelet(Path(kubeconfig), namespace) as kubelet, started() as driver:
            driver.rest(0.5, _PAUSE)
            if what == "finish":
                return finish(driver, kubelet, int(rest[0]), float(rest[2]))
            steps = Steps(driver, kubelet)
            found: dict[str, Any] = {"steps": []}
            for size in map(int, rest):
                step = steps.grow(size)
                if size == 5000:
                    step |= steps.arrive(write_template(folder, 0.5))
                print(json.dumps(step), file=sys.stderr, flush=True)
                found["steps"].append(step)
            return found


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
