"""The container that hands a result over: where it goes, and what is read from what it prints."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podlift.runs.errors import ResultNotRead
from podlift.runs.sidecar import CONTAINER, FOLDER, is_whole, unpack, with_sidecar


def pod(**spec: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "base", "image": "busybox"}], **spec}}


def mounts(container: dict[str, Any]) -> list[Any]:
    found: list[Any] = container["volumeMounts"]
    return found


def test_both_containers_share_a_folder() -> None:
    given = pod()
    spec = with_sidecar(given, "base")["spec"]
    (container,) = spec["initContainers"]
    assert mounts(container) == mounts(spec["containers"][0])
    assert [each["name"] for each in spec["volumes"]] == [mounts(container)[0]["name"]]
    assert given == pod()


def test_it_ends_before_the_sidecars_that_the_user_has() -> None:
    other = {"name": "proxy", "restartPolicy": "Always"}
    spec = with_sidecar(pod(initContainers=[other]), "base")["spec"]
    assert [each["name"] for each in spec["initContainers"]] == ["proxy", CONTAINER]


def test_a_volume_that_the_user_mounts_there_is_shared() -> None:
    mount = {"name": "mine", "mountPath": f"{FOLDER}/", "subPath": "task"}
    manifest = pod(volumes=[{"name": "mine", "emptyDir": {}}])
    manifest["spec"]["containers"][0]["volumeMounts"] = [mount]
    spec = with_sidecar(manifest, "base")["spec"]
    assert mounts(spec["initContainers"][0]) == [mount]
    assert mounts(spec["containers"][0]) == [mount]
    assert len(spec["volumes"]) == 1


def test_a_volume_of_the_same_name_is_taken() -> None:
    volume = {"name": "xcom", "emptyDir": {"medium": "Memory"}}
    assert with_sidecar(pod(volumes=[volume]), "base")["spec"]["volumes"] == [volume]


@pytest.mark.parametrize(("given", "granted"), [(0, 30), (1, 30), (45, 45), (None, 30)])
def test_there_is_time_to_hand_over(given: int | None, granted: int) -> None:
    spec = pod() if given is None else pod(terminationGracePeriodSeconds=given)
    assert with_sidecar(spec, "base")["spec"]["terminationGracePeriodSeconds"] == granted


def test_the_base_container_starts_when_the_signal_would_be_heard() -> None:
    (container,) = with_sidecar(pod(), "base")["spec"]["initContainers"]
    script, hook = container["command"][-1], container["lifecycle"]["postStart"]["exec"]["command"]
    file = f"{FOLDER}/.podlift.ready"
    assert script.index("trap finish") < script.index(f"touch {file}") < script.index("while true")
    assert f"[ -e {file} ]" in hook[-1]


LOG = b"""podlift-result begin 2 44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a
H4sIAAAAAAAAA6uuBQBDv6ajAgAAAA==
podlift-result end
"""


def test_a_whole_log_gives_the_result() -> None:
    assert unpack(LOG) == b"{}"


@given(st.integers(0, len(LOG)), st.integers(0, len(LOG)))
def test_a_log_of_which_something_is_missing_gives_no_other_result(one: int, other: int) -> None:
    start, end = sorted((one, other))
    cut = LOG[:start] + LOG[end:]
    try:
        assert unpack(cut) == b"{}"
    except ResultNotRead:
        assert cut != LOG


@pytest.mark.parametrize("said", ["missing", "end", "large 1 2", "huge 1", "unreadable", "failed"])
def test_a_log_is_whole_with_its_last_word(said: str) -> None:
    assert is_whole(f"podlift-result {said}\n".encode())
    assert not is_whole(f"podlift-result {said}".encode()), "more of it may come"
    assert not is_whole(b"podlift-result begin 1 2\nH4sI")
