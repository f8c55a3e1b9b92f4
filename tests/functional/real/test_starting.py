"""What keeps the real node from starting is said in a sentence; a broken build is made again."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.real import building, node
from tests.real.errors import RealClusterError

pytestmark = [pytest.mark.functional, pytest.mark.own_node("is about the node's own programs")]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(building, "CACHE", tmp_path / "cache")
    return tmp_path / "cache"


def test_without_go(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(RealClusterError, match=r"^Go is needed .* install Go 1\.26 or later\.$"):
        building.pause()


def test_without_containerd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(RealClusterError, match=r"^Missing on this machine: apt install .*runc"):
        node.prepare()


@pytest.mark.parametrize("command", [node.up, node.down, node.is_up])
def test_without_root(monkeypatch: pytest.MonkeyPatch, command: Callable[[], object]) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(RealClusterError, match=r"^A kubelet needs root"):
        command()


def test_without_cgroups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node, "_CGROUPS", Path("/nowhere"))
    with pytest.raises(RealClusterError, match=r"^This machine has no cgroups"):
        node.prepare()


def test_an_unknown_version_is_told_with_those_that_are_known() -> None:
    with pytest.raises(RealClusterError, match=r"Kubernetes 1\.2 is not pinned here.*1\.36"):
        building.kubernetes("1.2")


def test_a_build_that_was_interrupted_is_made_again_and_leaves_nothing(cache: Path) -> None:
    (cache / ".building-interrupted" / "bin").mkdir(parents=True)
    program = building.pause() / "pause"
    assert [each.name for each in cache.glob(".building-*")] == []
    program.unlink()
    assert building.pause() / "pause" == program
    assert os.access(program, os.X_OK)


def test_what_is_built_is_not_built_again(cache: Path) -> None:
    first = (building.pause() / "pause").stat().st_mtime_ns
    assert (building.pause() / "pause").stat().st_mtime_ns == first
