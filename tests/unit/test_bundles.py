"""What Airflow is told of a folder that git-sync fills."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from airflow.dag_processing.bundles.base import BaseDagBundle

from podlift.bundles import GitSyncDagBundle
from podlift.compat import bundle_version

OLD, NEW = "0" * 39 + "1", "0" * 39 + "2"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """As git-sync leaves it: a folder for each commit, and a link to the newest."""
    for commit in (OLD, NEW):
        folder = tmp_path / "root" / ".worktrees" / commit / "dags"
        folder.mkdir(parents=True)
        (folder / "a.py").write_text(commit)
    sync(tmp_path / "root", OLD)
    return tmp_path / "root"


def sync(root: Path, commit: str) -> None:
    (root / "repo").unlink(missing_ok=True)
    (root / "repo").symlink_to(f".worktrees/{commit}")


def bundle(root: Path, version: str | None = None) -> GitSyncDagBundle:
    link = str(root / "repo")
    made = GitSyncDagBundle(name="dags", link=link, subdir="dags", version=version)
    made.initialize()
    return made


def read(bundle: BaseDagBundle) -> str:
    return (bundle.path / "a.py").read_text()


def test_the_version_is_the_commit(root: Path) -> None:
    assert bundle(root).get_current_version() == bundle_version(OLD)


def test_what_is_read_changes_with_the_version_and_not_before(root: Path) -> None:
    found = bundle(root)
    sync(root, NEW)
    assert (read(found), found.get_current_version()) == (OLD, bundle_version(OLD))
    found.refresh()
    assert (read(found), found.get_current_version()) == (NEW, bundle_version(NEW))


def test_a_run_has_the_commit_with_which_it_began(root: Path) -> None:
    sync(root, NEW)
    assert read(bundle(root, version=OLD)) == OLD
    assert read(bundle(root, version=NEW)) == NEW


def test_a_commit_that_is_not_there_any_more_is_told(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sync(root, NEW)
    shutil.rmtree(root / ".worktrees" / OLD)
    assert read(bundle(root, version=OLD)) == NEW
    assert f"began with commit {OLD}, which git-sync has not fetched here" in caplog.text


def test_before_the_first_sync_there_is_nothing(root: Path) -> None:
    (root / "repo").unlink()
    with pytest.raises(FileNotFoundError):
        bundle(root)


def test_nothing_is_looked_at_before_it_is_used(tmp_path: Path) -> None:
    made = GitSyncDagBundle(name="dags", link=str(tmp_path / "none"), subdir="dags")
    assert made.path == tmp_path / "none" / "dags"
