"""A worker that outlives its task: the kernel kills a process of it for want of memory, no more."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.functional.worker.pod import KEY, ExecutionApi, run, workload

from podlift.exit_codes import MEMORY_GROWS, ExitCode
from podlift.sealing import seal

pytestmark = [
    pytest.mark.functional,
    pytest.mark.own_node("makes a control group for memory on this machine, as the node does"),
]

DAG = """
import subprocess, sys
from airflow.sdk import dag, task

@dag(schedule=None)
def work():
    @task
    def greedy():
        subprocess.run([sys.executable, "-c", "all = b'x' * 10**10"], check=True)

    greedy()

work()
"""

_OF_V1 = Path("/sys/fs/cgroup/memory")
_ALLOWED = 600 * 2**20
"""Bytes: enough for the worker and the task's own process."""
_AS_IN_A_CONTAINER = """
echo $$ > "$0/cgroup.procs" && mount --bind "$0" "${0%/*}" && exec "$@"
"""


@pytest.fixture
def group() -> Iterator[Path]:
    """A control group that allows so much memory."""
    is_v1 = _OF_V1.is_dir()
    top = _OF_V1 if is_v1 else _OF_V1.parent
    if not is_v1:
        (top / "cgroup.subtree_control").write_text("+memory")
    made = top / f"podlift-test-{secrets.token_hex(4)}"
    made.mkdir()
    (made / ("memory.limit_in_bytes" if is_v1 else "memory.max")).write_text(str(_ALLOWED))
    yield made
    while (made / "cgroup.procs").read_text():
        time.sleep(0.05)
    made.rmdir()


@pytest.fixture
def through(group: Path) -> list[str]:
    """What makes a command run in the group, and see that as the machine's whole."""
    return ["unshare", "--mount", "sh", "-c", _AS_IN_A_CONTAINER, str(group)]


@pytest.fixture(autouse=True)
def dags(tmp_path: Path) -> None:
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "work.py").write_text(DAG)


def test_where_memory_grows_the_end_is_left_to_the_executor(
    tmp_path: Path, api: ExecutionApi, through: list[str]
) -> None:
    sealed = seal(workload("greedy"), KEY)
    code, out, err = run(
        tmp_path, api.url, through=through, PODLIFT_WORKLOAD=sealed, **{MEMORY_GROWS: "1"}
    )
    assert code == ExitCode.OUT_OF_MEMORY, (out, err)
    assert api.states == []
    assert "died with <Signals.SIGKILL: 9>" in out


def test_where_it_does_not_the_task_has_failed(
    tmp_path: Path, api: ExecutionApi, through: list[str]
) -> None:
    code, out, err = run(
        tmp_path, api.url, through=through, PODLIFT_WORKLOAD=seal(workload("greedy"), KEY)
    )
    assert code == ExitCode.FAILED, (out, err)
    assert api.states == ["failed"]
