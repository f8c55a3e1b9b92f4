"""Results: what a container leaves in /airflow/xcom/return.json becomes the task's."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from podlift.operators.errors import PodFailed, ResultNotRead

from .conftest import Task

pytestmark = pytest.mark.functional

MakeTask = Callable[..., Task]

FILE = "/airflow/xcom/return.json"


def test_a_result_comes_back_as_it_was_written(task: MakeTask) -> None:
    giving = task(f"""echo '{{"a": [1, "ä"]}}' > {FILE}""", do_xcom_push=True)
    assert giving.run() == {"a": [1, "ä"]}
    assert giving.pods() == []


def test_five_megabytes_of_random_text_come_through(task: MakeTask) -> None:
    random = "head -c 3800000 /dev/urandom | base64 | tr -d '\\n'"
    value = task(f"""(printf '"'; {random}; printf '"') > {FILE}""", do_xcom_push=True).run()
    assert isinstance(value, str)
    assert len(value) == 5_066_668


def test_fifty_megabytes_that_repeat_themselves_come_through(task: MakeTask) -> None:
    words = "yes '\"the same again\",' | head -n 2900000 | tr -d '\\n'"
    value = task(f"(printf '['; {words}; printf '0]') > {FILE}", do_xcom_push=True).run()
    assert isinstance(value, list)
    assert len(value) == 2_900_001
    assert set(value) == {"the same again", 0}


def test_a_result_that_does_not_fit_is_refused_with_its_size(task: MakeTask) -> None:
    large = task(f"head -c 9000000 /dev/urandom > {FILE}", do_xcom_push=True)
    with pytest.raises(ResultNotRead, match="holds 9,000,000 bytes"):
        large.run()
    assert large.pods() == []


def test_what_is_not_json_is_told_with_its_beginning(task: MakeTask) -> None:
    with pytest.raises(ResultNotRead, match=r"is not JSON .* It begins with: hello, world"):
        task(f"echo 'hello, world' > {FILE}", do_xcom_push=True).run()


@pytest.mark.parametrize("script", ["true", f"touch {FILE}"])
def test_no_result_is_told_and_is_none(task: MakeTask, script: str) -> None:
    silent = task(script, do_xcom_push=True)
    assert silent.run() is None
    silent.log.wait_for("There is no result", timeout=0)


def test_a_task_that_fails_hands_nothing_over(task: MakeTask) -> None:
    with pytest.raises(PodFailed, match="exit code 1"):
        task(f"echo 1 > {FILE}; exit 1", do_xcom_push=True).run()


def test_containers_that_go_on_do_not_hold_the_result_back(task: MakeTask) -> None:
    beside = {
        "name": "beside",
        "image": "busybox:1.36",
        "command": ["sh", "-c", "trap 'exit 0' TERM; sleep 3600 & wait"],
    }
    base = {"name": "base", "image": "busybox:1.36"}
    kept = task(
        f"echo 1 > {FILE}",
        do_xcom_push=True,
        full_pod_spec={"spec": {"containers": [base, beside]}},
        on_finish_action="keep_pod",
    )
    assert kept.run() == 1
    assert len(kept.pods()) == 1


def test_a_volume_at_tmp_does_not_take_the_working_folder_away(task: MakeTask) -> None:
    own_tmp = task(
        "echo here > /tmp/file; cat /tmp/file; sleep 1",
        volumes=[{"name": "tmp", "emptyDir": {}}],
        volume_mounts=[{"name": "tmp", "mountPath": "/tmp"}],
    )
    own_tmp.run()
    assert "here" in own_tmp.log.lines
