"""Remote logging: the worker brings its log there, and the executor what is missing."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airflow import logging_config

if TYPE_CHECKING:
    from tests.functional.executor.conftest import Driver

pytestmark = pytest.mark.functional


class Shelf:
    """A remote log handler whose remote place is a folder; like S3's, it adds to what is there."""

    processors = ()

    def __init__(self, folder: Path, base: Path, works: bool = True) -> None:
        self.folder = folder
        self.base = base
        self.works = works
        self.uploads: list[str] = []

    def upload(self, path: Any, ti: Any = None) -> None:
        self.uploads.append(str(path))
        if not self.works:
            return  # Airflow's handlers write the error to their own log
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("ab") as there, (self.base / path).open("rb") as here:
            shutil.copyfileobj(here, there)

    def read(self, relative_path: str, ti: Any) -> tuple[list[str], list[str]]:
        file = self.folder / relative_path
        return ([str(file)], [file.read_text()]) if file.exists() else ([], [])


@pytest.fixture
def shelf(driver: Driver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    shelf = Shelf(tmp_path / "shelf", driver.logs)
    config = logging_config._ActiveLoggingConfig
    monkeypatch.setattr(config, "remote_task_log", shelf)
    monkeypatch.setattr(config, "logging_config_loaded", True)
    return shelf


def brought(shelf: Shelf, task: Any) -> str:
    return shelf.read(task.log_path, None)[1][0]


def test_what_a_worker_brought_there_itself_is_left_alone(driver: Driver, shelf: Shelf) -> None:
    good = driver.task("echo hello")
    failed = driver.task("echo hello; exit 1")
    driver.queue(good, failed)
    driver.end(good)
    driver.end(failed)
    assert shelf.uploads == []
    assert driver.kept_log(good) == driver.kept_log(failed) == ""


def test_what_a_pod_that_died_could_not_bring_is_brought(driver: Driver, shelf: Shelf) -> None:
    killed = driver.task("echo these are the last words before I am killed; exit 3")
    driver.queue(killed)
    driver.end(killed)
    assert shelf.uploads == [killed.log_path]
    log = brought(shelf, killed)
    assert log.startswith("these are the last words before I am killed\n")
    assert "exit code 3" in log
    assert driver.kept_log(killed) == ""  # it is in one place only


def test_a_log_that_is_there_already_gets_the_cause_only(driver: Driver, shelf: Shelf) -> None:
    line = "a line that the worker brought there before it was killed"
    killed = driver.task(f"echo {line}; exit 3")
    assert killed.log_path
    file = shelf.folder / killed.log_path
    file.parent.mkdir(parents=True)
    file.write_text(f"{line}\n")
    driver.queue(killed)
    driver.end(killed)
    log = brought(shelf, killed)
    assert log.count(line) == 1
    assert "exit code 3" in log


def test_a_pod_that_never_ran_leaves_the_cause_there(driver: Driver, shelf: Shelf) -> None:
    base = {"name": "base", "command": ["/no/such/program"]}
    broken = driver.task(override={"spec": {"containers": [base]}})
    driver.queue(broken)
    driver.end(broken)
    assert "/no/such/program" in brought(shelf, broken)


def test_what_remote_logging_does_not_take_is_kept_here(driver: Driver, shelf: Shelf) -> None:
    shelf.works = False
    killed = driver.task("echo last words; exit 3")
    driver.queue(killed)
    driver.end(killed)
    assert driver.kept_log(killed).startswith("last words\n")
    assert any("remote logging" in sentence for sentence in driver.told())
