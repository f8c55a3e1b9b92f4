"""Which mounts a container gets from its pod's volumes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from podlift.local.kubelet.mounts import Mount
from podlift.local.kubelet.volumes import container_mounts

FROM_OBJECTS: list[dict[str, Any]] = [
    {"secret": {"secretName": "s"}},
    {"configMap": {"name": "c"}},
    {"downwardAPI": {"items": []}},
    {"projected": {"sources": []}},
]


def mounts(
    volumes: list[dict[str, Any]], places: list[dict[str, Any]], folder: Path
) -> list[Mount]:
    folders = {volume["name"]: folder / volume["name"] for volume in volumes}
    for path in folders.values():
        path.mkdir()
    spec = {"volumes": volumes, "automountServiceAccountToken": False}
    return container_mounts({"spec": spec}, {"volumeMounts": places}, folders, {})


@pytest.mark.parametrize("source", FROM_OBJECTS, ids=lambda source: next(iter(source)))
def test_what_is_made_from_objects_is_read_only(source: dict[str, Any], tmp_path: Path) -> None:
    volumes = [{"name": "v", **source}, {"name": "w", "emptyDir": {}}]
    places = [{"name": "v", "mountPath": "/v"}, {"name": "w", "mountPath": "/w"}]
    assert [mount.read_only for mount in mounts(volumes, places, tmp_path)] == [True, False]


def test_a_mount_may_lie_inside_one_that_is_read_only(tmp_path: Path) -> None:
    volumes = [{"name": "v", "secret": {"secretName": "s"}}, {"name": "w", "emptyDir": {}}]
    places = [{"name": "w", "mountPath": "/v/in/side"}, {"name": "v", "mountPath": "/v"}]
    mounts(volumes, places, tmp_path)
    assert (tmp_path / "v/in/side").is_dir()


def test_a_file_may_lie_inside_one_that_is_read_only(tmp_path: Path) -> None:
    (tmp_path / "one").touch()
    volumes = [{"name": "v", "configMap": {"name": "c"}}]
    spec = {"volumes": volumes, "automountServiceAccountToken": False}
    places = [
        {"name": "v", "mountPath": "/v"},
        {"name": "one", "mountPath": "/v/file"},
    ]
    (tmp_path / "v").mkdir()
    folders = {"v": tmp_path / "v", "one": tmp_path / "one"}
    container_mounts({"spec": spec}, {"volumeMounts": places}, folders, {})
    assert (tmp_path / "v/file").is_file()
