"""The home folder: everything that one Airflow and one local cluster keep on disk."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from podlift.cli.errors import AlreadyRunning, HomeError

HOME_VARIABLE = "PODLIFT_HOME"


def default_home() -> Path:
    """Return `$PODLIFT_HOME`, else `podlift` in the user's data folder (XDG base directories)."""
    if chosen := os.environ.get(HOME_VARIABLE):
        return Path(chosen).expanduser()
    data = os.environ.get("XDG_DATA_HOME")
    return (Path(data) if data else Path("~/.local/share").expanduser()) / "podlift"


def cache_folder() -> Path:
    """Return the folder for files that can be made again at any time."""
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path("~/.cache").expanduser()) / "podlift"


@dataclass(frozen=True)
class Home:
    """Names of the files in a home folder. Making the object touches nothing on disk."""

    root: Path

    @property
    def airflow(self) -> Path:
        """AIRFLOW_HOME: configuration, database and secrets."""
        return self.root / "airflow"

    @property
    def task_logs(self) -> Path:
        """Where Airflow keeps the log of every try of every task."""
        return self.airflow / "logs"

    @property
    def process_logs(self) -> Path:
        """Where the output of the Airflow processes and of the cluster goes."""
        return self.root / "logs"

    @property
    def pod_template(self) -> Path:
        """The pod template file that the executor starts from."""
        return self.airflow / "pod_template.yaml"

    @property
    def cluster(self) -> Path:
        """The home of the local cluster."""
        return self.root / "cluster"

    @property
    def demo_marker(self) -> Path:
        """There when the home is a demo's, which the next demo may empty."""
        return self.root / "demo"

    @property
    def lock_file(self) -> Path:
        """Locked, and holding the process id, while a podlift serves Airflow from this home."""
        return self.root / "lock"

    def create(self) -> None:
        """Make the folders, readable by their owner only. Raises HomeError."""
        try:
            for folder in (self.root, self.airflow, self.task_logs, self.process_logs):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _prove_writable(self.root)
        except OSError as error:
            raise HomeError(
                f"The home folder {self.root} cannot be written ({error.strerror}): choose another"
                f" with --home FOLDER or {HOME_VARIABLE}."
            ) from error

    def empty(self) -> None:
        """Remove what an earlier run left in this home; the lock file stays, being locked."""
        for folder in (self.airflow, self.process_logs, self.cluster):
            try:
                shutil.rmtree(folder)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise HomeError(
                    f"The folder {folder} of an earlier run cannot be removed"
                    f" ({error.strerror}): remove it, or choose another home with --home FOLDER."
                ) from error


@contextmanager
def locked(home: Home) -> Iterator[None]:
    """Hold the home for this process; the kernel lets go when the process ends, however it ends.

    Raises AlreadyRunning, which names the process that holds it.
    """
    # "a+" keeps the process id of the owner when the lock turns out to be held.
    with home.lock_file.open("a+") as lock:
        lock.seek(0)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = lock.read().strip() or "unknown"
            raise AlreadyRunning(
                f"Another podlift (process {owner}) already runs Airflow in {home.root}:"
                " stop it with Ctrl-C in its terminal, or choose another home with --home FOLDER."
            ) from None
        lock.seek(0)
        lock.truncate()
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def _prove_writable(folder: Path) -> None:
    probe = folder / f".writable-{os.getpid()}"
    probe.touch()
    probe.unlink()
