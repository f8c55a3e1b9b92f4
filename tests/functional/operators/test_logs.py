"""The task's log: every line of the container once, whatever it writes and however."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from podlift.callbacks import KubernetesPodOperatorCallback
from podlift.operators.errors import PodFailed

from .conftest import Api, Task

pytestmark = pytest.mark.functional

MakeTask = Callable[..., Task]

IMAGE = "busybox:1.36"
SETTLE = "sleep 1"
"""What a container writes right before its end, a busy node may lose."""


def with_init(**container: Any) -> dict[str, Any]:
    """A pod with another init container and a folder that all share."""
    mount = [{"name": "shared", "mountPath": "/shared"}]
    return {
        "spec": {
            "containers": [{"name": "base", "image": IMAGE, "volumeMounts": mount}],
            "initContainers": [{"image": IMAGE, "volumeMounts": mount, **container}],
            "volumes": [{"name": "shared", "emptyDir": {}}],
        }
    }


def test_what_is_no_text_and_progress_bars_are_told_as_lines(task: MakeTask) -> None:
    odd = task(rf"printf '\377\376 no text\n1%%\r50%%\r100%%\r\nlast without newline'; {SETTLE}")
    odd.run()
    for line in ("\ufffd\ufffd no text", "1%\r50%\r100%", "last without newline"):
        assert odd.log.lines.count(line) == 1, odd.log.text


def test_a_hundred_megabytes_without_a_newline_come_through(task: MakeTask) -> None:
    size = 100_000_000
    long = task(f"head -c {size} /dev/zero | tr '\\0' x; echo; echo after; {SETTLE}")
    long.run()
    parts = [line for line in long.log.lines if line.startswith("xx")]
    assert max(map(len, parts)) <= 1 << 20
    assert sum(map(len, parts)) == size
    assert long.log.lines.count("after") == 1


def test_nothing_is_lost_when_the_node_rotates_the_log(
    task: MakeTask, pytestconfig: pytest.Config
) -> None:
    # The kubelet looks every ten seconds whether a log is larger than ten mebibytes.
    pause = 0 if pytestconfig.getoption("--cluster") == "local" else 12
    lines = "awk '{ printf \"line %d %01000d\\n\", $1, 0 }'"
    burst = f"seq $((burst * 12000 + 1)) $((burst * 12000 + 12000)) | {lines}"
    rotating = task(f"for burst in 0 1 2; do {burst}; sleep {pause}; done; {SETTLE}")
    rotating.run()
    found = [int(line.split()[1]) for line in rotating.log.lines if line.startswith("line ")]
    assert found == list(range(1, 36_001))
    assert "may be missing" not in rotating.log.text


@pytest.mark.since_minor(29, "sidecars")
def test_a_sidecar_that_is_started_again_is_followed_through_its_runs(task: MakeTask) -> None:
    script = "echo $(($(cat /shared/runs || echo 0) + 1)) > /shared/runs"
    runs = f"{script}; echo run $(cat /shared/runs) begins; sleep 1; echo and ends; {SETTLE}"
    restarting = task(
        "until [ $(cat /shared/runs) -ge 2 ]; do sleep 0.2; done; sleep 4",
        full_pod_spec=with_init(name="side", restartPolicy="Always", command=["sh", "-c", runs]),
        init_container_logs="side",
    )
    restarting.run()
    told = [line for line in restarting.log.lines if line.startswith("[side] ")]
    assert told.count("[side] run 1 begins") == 1, restarting.log.text
    assert told.count("[side] run 2 begins") == 1, restarting.log.text
    # Where the next run's log comes before the news of the restart, the log warns of a gap.
    assert told.count("[side] and ends") >= 2, restarting.log.text


def test_a_container_that_goes_on_talking_does_not_hold_the_task(task: MakeTask) -> None:
    chatty = {
        "name": "chatty",
        "image": IMAGE,
        "command": ["sh", "-c", "trap 'exit 0' TERM; while true; do echo so; sleep 0.1; done"],
    }
    base = {"name": "base", "image": IMAGE}
    spec = {"spec": {"containers": [base, chatty]}}
    began = time.monotonic()
    talking = task("sleep 1; echo done", full_pod_spec=spec, container_logs=True)
    talking.run()
    assert time.monotonic() - began < 40
    assert "[chatty] so" in talking.log.lines
    assert "[base] done" in talking.log.lines


def test_a_log_that_is_slower_than_the_container_gets_every_line(task: MakeTask) -> None:
    told: list[str] = []

    def slowly(line: str) -> None:
        told.append(line)
        time.sleep(0.001)

    fast = task(f"seq 1 3000; {SETTLE}", progress_callback=slowly)
    fast.run()
    assert told == [str(number) for number in range(1, 3001)]


def test_a_line_comes_with_its_time(task: MakeTask) -> None:
    times: list[Any] = []

    class Timing(KubernetesPodOperatorCallback):
        @staticmethod
        def progress_callback(*, line: str, timestamp: Any, **kwargs: Any) -> None:
            times.append(timestamp)

    task(f"echo one; echo two; {SETTLE}", callbacks=Timing).run()
    assert len(times) == 2
    assert times[0] <= times[1]
    assert all(abs(datetime.now(UTC) - each) < timedelta(minutes=5) for each in times)


def test_what_was_written_before_a_pod_was_deleted_is_told(task: MakeTask, cluster: Api) -> None:
    end = "trap 'echo told to end; sleep 0.5; exit 3' TERM"
    deleted = task(f"{end}; echo ready; while true; do sleep 0.1; done", infrastructure_retries=0)
    outcome = deleted.start()
    deleted.log.wait_for("ready")
    (pod,) = deleted.pods()
    metadata = pod["metadata"]
    cluster.request("DELETE", f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}")
    with pytest.raises(PodFailed):
        outcome.result(timeout=60)
    assert deleted.log.lines.count("ready") == 1
    assert deleted.log.lines.count("told to end") == 1, deleted.log.text


def test_what_a_program_wrote_that_a_signal_killed_is_told_and_the_signal_named(
    task: MakeTask,
) -> None:
    killed = task("echo before; ulimit -t 1; while true; do :; done")
    with pytest.raises(PodFailed, match=r"was killed by SIGKILL \(exit code 137\)"):
        killed.run()
    assert killed.log.lines.count("before") == 1
