"""What is checked before a container starts: image, program, mount points, room, log request."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from podlift.local.controllers.fitting import Node
from podlift.local.errors import BadRequest
from podlift.local.kubelet.admission import refusal
from podlift.local.kubelet.backoff import BackOff
from podlift.local.kubelet.contract import LogOptions
from podlift.local.kubelet.executables import CannotStart, find_executable
from podlift.local.kubelet.images import image_error
from podlift.local.kubelet.logtargets import log_run
from podlift.local.kubelet.mounts import Mount, machine_path, missing_anchors

Obj = dict[str, Any]

RECORDINGS = Path(__file__).parents[3] / "data" / "kube-recordings"


def recorded(case: str) -> Obj:
    return dict(json.loads((RECORDINGS / f"lifecycle-{case}.json").read_text()))


@pytest.mark.parametrize(
    "image",
    [
        "busybox",
        "busybox:1.36",
        "apache/airflow:3.1.0-python3.12",
        "localhost:5000/team/app_x:v1",
        "registry.example.com/a/b.c/d--e@sha256:" + "0" * 64,
        "example.com:443/x:y@sha256:" + "a" * 64,
    ],
)
def test_valid_images(image: str) -> None:
    assert image_error(image) is None


@pytest.mark.parametrize("image", ["", "a b", "/x", "x:", "x:-a", "Busybox", "x@sha256:12"])
def test_invalid_images(image: str) -> None:
    assert image_error(image) is not None


def test_invalid_image_is_told_as_recorded() -> None:
    waiting = "InvalidImageName"
    messages = {
        one["state"]["waiting"].get("message")
        for event in recorded("invalid-image-name")["watch"]
        for one in event["object"]["status"].get("containerStatuses", ())
        if one["state"].get("waiting", {}).get("reason") == waiting
    }
    assert messages == {image_error("UPPER/Case::bad")}


def test_missing_program_is_told_as_recorded() -> None:
    last = recorded("bad-command")["watch"][-1]["object"]["status"]["containerStatuses"][0]
    with pytest.raises(CannotStart) as raised:
        find_executable("/no/such/binary", {}, "/")
    assert str(raised.value) == last["state"]["terminated"]["message"]


def program(path: Path, text: str = "#!/bin/sh\n", mode: int = 0o755) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def test_program_is_found_on_the_path_and_by_relative_name(tmp_path: Path) -> None:
    path = program(tmp_path / "bin" / "tool")
    env = {"PATH": f"/nowhere:{tmp_path / 'bin'}"}
    assert find_executable("tool", env, "/") == str(path)
    assert find_executable("bin/tool", {}, str(tmp_path)) == str(path)


def test_program_in_a_volume_is_found_where_the_container_sees_it(tmp_path: Path) -> None:
    program(tmp_path / "tool")
    mounts = [Mount(str(tmp_path), "/no-such-volume")]
    assert find_executable("/no-such-volume/tool", {}, "/", mounts) == "/no-such-volume/tool"


@pytest.mark.parametrize(
    ("text", "mode", "why"),
    [
        ("#!/bin/sh\n", 0o644, "permission denied"),
        ("no program\n", 0o755, "exec format error"),
        ("#!/no/such/shell\n", 0o755, "no such file or directory"),
    ],
)
def test_why_a_program_cannot_run(tmp_path: Path, text: str, mode: int, why: str) -> None:
    path = program(tmp_path / "tool", text, mode)
    with pytest.raises(CannotStart, match=why):
        find_executable(str(path), {}, "/")


def test_unknown_program_on_the_path() -> None:
    with pytest.raises(CannotStart, match=r"executable file not found in \$PATH"):
        find_executable("no-such-program", {"PATH": "/bin"}, "/")


def test_mount_points_that_exist_need_no_anchor(tmp_path: Path) -> None:
    assert missing_anchors([str(tmp_path), "/tmp"]) == []


def test_missing_mount_points_are_anchored_at_what_exists(tmp_path: Path) -> None:
    targets = [str(tmp_path / "a" / "b"), "/no-such-folder/x", str(tmp_path / "a" / "b" / "c")]
    assert missing_anchors(targets) == ["/", str(tmp_path)]


def test_paths_are_looked_up_in_the_innermost_mount(tmp_path: Path) -> None:
    mounts = [Mount("/usr", "/v"), Mount(str(tmp_path), "/v/inner")]
    assert machine_path("/v/bin", mounts) == "/usr/bin"
    assert machine_path("/v/inner/x", mounts) == f"{tmp_path}/x"
    assert machine_path("/vv", mounts) == "/vv"


@pytest.mark.parametrize("case", ["rejected-out-of-cpu", "rejected-node-affinity"])
def test_refusals_are_told_as_recorded(case: str) -> None:
    recording = recorded(case)
    node = Node.of(
        {
            "metadata": {"name": "node1"},
            "status": {"allocatable": {"cpu": "2", "memory": "1Gi", "pods": "10"}},
        },
        None,
    )
    status = recording["watch"][-1]["object"]["status"]
    refused = refusal(recording["watch"][0]["object"], node)
    assert refused is not None
    assert refused.reason == status["reason"]
    assert f"Pod was rejected: {refused.message}" == status["message"]


def test_back_off_doubles_and_forgets_after_a_healthy_run() -> None:
    now = 0.0
    back_off = BackOff(lambda: now)
    assert [back_off.next() for _ in range(7)] == [0, 1, 2, 4, 8, 16, 30]
    now += 700
    assert back_off.next() == 0


def pod(*statuses: Obj, init: int = 0, node: str = "n") -> Obj:
    names = [status["name"] for status in statuses]
    return {
        "metadata": {"name": "p"},
        "spec": {
            "nodeName": node,
            "initContainers": [{"name": name} for name in names[:init]],
            "containers": [{"name": name} for name in names[init:]],
        },
        "status": {
            "initContainerStatuses": list(statuses[:init]),
            "containerStatuses": list(statuses[init:]),
        },
    }


RUNNING = {"name": "a", "state": {"running": {}}, "restartCount": 0, "containerID": "x"}
ENDED = {"terminated": {"exitCode": 1}}


def test_log_of_the_only_container() -> None:
    assert log_run(pod(RUNNING), LogOptions()) == ("a", 0)


def test_log_of_a_container_between_two_runs() -> None:
    waiting = {**RUNNING, "state": {"waiting": {}}, "lastState": ENDED, "restartCount": 3}
    assert log_run(pod(waiting), LogOptions()) == ("a", 3)
    assert log_run(pod(waiting), LogOptions(previous=True)) == ("a", 3)
    again = {**RUNNING, "lastState": ENDED, "restartCount": 3}
    assert log_run(pod(again), LogOptions(previous=True)) == ("a", 2)


def test_log_of_a_pod_on_no_node_is_empty() -> None:
    assert log_run(pod({"name": "a"}, node=""), LogOptions()) is None


@pytest.mark.parametrize(
    ("target", "options", "message"),
    [
        (pod(RUNNING), LogOptions(container="z"), "container z is not valid for pod p"),
        (
            pod(RUNNING, {"name": "b"}),
            LogOptions(),
            "a container name must be specified for pod p, choose one of: [a b]",
        ),
        (
            pod(RUNNING),
            LogOptions(previous=True),
            'previous terminated container "a" in pod "p" not found',
        ),
        (
            pod({"name": "a", "state": {"waiting": {"reason": "PodInitializing"}}}),
            LogOptions(),
            'container "a" in pod "p" is waiting to start: PodInitializing',
        ),
    ],
)
def test_log_requests_that_cannot_be_met(target: Obj, options: LogOptions, message: str) -> None:
    with pytest.raises(BadRequest) as raised:
        log_run(target, options)
    assert str(raised.value) == message
