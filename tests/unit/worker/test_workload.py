"""Getting hold of the workload, and out of the task's sight."""

from __future__ import annotations

import pytest

from podlift.sealing import KEY_VARIABLE, WORKLOAD_VARIABLE, new_key, seal
from podlift.worker.errors import WorkerError
from podlift.worker.outcome import ExitCode
from podlift.worker.workload import read_workload, take_workload

KEY = new_key()


def test_the_task_sees_neither_the_workload_nor_the_key() -> None:
    environment = {WORKLOAD_VARIABLE: seal(b"work", KEY), KEY_VARIABLE: KEY, "PATH": "/bin"}
    assert take_workload(environment) == b"work"
    assert environment == {"PATH": "/bin"}


def test_several_keys_may_be_given() -> None:
    environment = {WORKLOAD_VARIABLE: seal(b"work", KEY), KEY_VARIABLE: f"{new_key()} {KEY}"}
    assert take_workload(environment) == b"work"


@pytest.mark.parametrize(
    ("environment", "code"),
    [
        ({KEY_VARIABLE: KEY}, ExitCode.NO_WORKLOAD),
        ({WORKLOAD_VARIABLE: seal(b"work", KEY)}, ExitCode.NO_KEY),
        ({WORKLOAD_VARIABLE: seal(b"work", KEY), KEY_VARIABLE: new_key()}, ExitCode.WRONG_KEY),
        ({WORKLOAD_VARIABLE: "altered", KEY_VARIABLE: KEY}, ExitCode.WRONG_KEY),
    ],
)
def test_what_is_missing_is_said_with_a_code_of_its_own(
    environment: dict[str, str], code: ExitCode
) -> None:
    with pytest.raises(WorkerError) as caught:
        take_workload(environment)
    assert caught.value.code is code


def test_a_workload_that_cannot_be_read_is_not_shown() -> None:
    with pytest.raises(WorkerError) as caught:
        read_workload(b'{"type": "ExecuteTask", "token": "secret-token"}')
    assert caught.value.code is ExitCode.BAD_WORKLOAD
    assert "ti: Field required" in str(caught.value)
    assert "secret-token" not in str(caught.value)
