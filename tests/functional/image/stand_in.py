"""A stand-in for Airflow's official image, made of this environment's own files.

It is laid out as the official one: Airflow in a virtual environment at ``/home/airflow/.local``
without bytecode, ``constraints.txt`` beside it, user 50000 of group 0. Python itself and the
programs of the shell are this machine's, mounted while an image is built.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

NAME = "docker.io/apache/airflow:3.3.2-python3.12"
SITE = f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
_ROOTS = ("apache-airflow-core", "apache-airflow-providers-standard", "podlift")
_MOUNTED = ("/usr", "/bin", "/lib", "/lib64", "/etc/ssl", "/etc/pip.conf", sys.base_prefix)

_CONTAINERFILE = """
FROM scratch
COPY --chown=50000:0 . /
ENV AIRFLOW_USER_HOME_DIR=/home/airflow VIRTUAL_ENV=/home/airflow/.local \\
    AIRFLOW_HOME=/opt/airflow HOME=/home/airflow PATH=/home/airflow/.local/bin:/usr/bin:/bin
RUN chmod 1777 /tmp
WORKDIR /opt/airflow
USER 50000
RUN {python} -m venv $VIRTUAL_ENV \\
    && find $VIRTUAL_ENV -name __pycache__ -prune -exec rm -r {{}} +
"""


@dataclass(frozen=True)
class Builder:
    """buildah, with a store of its own: no daemon, no registry, nothing left behind."""

    store: Path
    _containers: dict[str, str] = field(default_factory=dict)

    def build(self, context: Path, tag: str, *more: str) -> str:
        """Build an image; gives what the build said. Fails with its last words."""
        return self._run("build", "--isolation=chroot", *_mounts(), f"--tag={tag}", *more, context)

    def run(self, image: str, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in a container of the image, as the image's own user."""
        if image not in self._containers:
            self._containers[image] = self._run("from", "--pull-never", image).strip()
        container = self._containers[image]
        start = ("run", "--isolation=chroot", *_mounts(), container, "--", *command)
        return subprocess.run(self._command(*start), capture_output=True, text=True, check=False)

    def configuration(self, image: str) -> dict[str, Any]:
        inspected = json.loads(self._run("inspect", "--type=image", image))
        found: dict[str, Any] = inspected["OCIv1"]
        return found

    def _run(self, *arguments: str | Path) -> str:
        command = self._command(*arguments)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
        return done.stdout

    def _command(self, *arguments: str | Path) -> list[str]:
        # STORAGE_DRIVER=vfs works for everybody and on every disk, but copies all files each time.
        driver = os.environ.get("STORAGE_DRIVER", "overlay")
        where = (
            f"--storage-driver={driver}",
            f"--root={self.store}",
            f"--runroot={self.store}-run",
        )
        return ["buildah", *where, *map(str, arguments)]


def make(builder: Builder, scratch: Path) -> None:
    """Build the stand-in under the official image's name."""
    context = scratch / "stand-in"
    home = context / "home" / "airflow"
    packages = home / ".local" / SITE
    for folder in (
        packages,
        context / "etc",
        context / "tmp",
        context / "mnt",
        context / "opt/airflow/logs",
    ):
        folder.mkdir(parents=True)
    (context / "etc" / "passwd").write_text(
        "root:x:0:0::/root:/bin/sh\nairflow:x:50000:0::/home/airflow:/bin/sh\n"
    )
    (context / "etc" / "group").write_text("root:x:0:\n")
    pins = [_copy(name, packages) for name in sorted(_needed())]
    (home / "constraints.txt").write_text("".join(f"{pin}\n" for pin in pins))
    python = Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}"
    file = scratch / "Containerfile"
    file.write_text(_CONTAINERFILE.format(python=python))
    builder.build(context, NAME, f"--file={file}")


def _needed() -> set[str]:
    """The distributions that Airflow and Podlift need, Podlift left out."""
    seen: set[tuple[str, str]] = set()
    waiting = [(root, "") for root in _ROOTS]
    while waiting:
        wanted = waiting.pop()
        if wanted not in seen:
            seen.add(wanted)
            waiting += _requirements(*wanted)
    return {name for name, _ in seen} - {"podlift"}


def _requirements(name: str, extra: str) -> Iterator[tuple[str, str]]:
    """What a distribution needs for one of its extras ("" is none), each with the extras asked."""
    for line in distribution(name).requires or []:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
            needed = canonicalize_name(requirement.name)
            yield from ((needed, each) for each in {"", *requirement.extras})


def _copy(name: str, packages: Path) -> str:
    """Copy a distribution's modules without bytecode; gives its version as a constraint."""
    found = distribution(name)
    for file in found.files or []:
        if file.suffix == ".pyc" or ".." in file.parts:
            continue
        target = packages / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(str(found.locate_file(file)), target)
    return f"{name}=={found.version}"


def _mounts() -> list[str]:
    there = [folder for folder in _MOUNTED if os.path.exists(folder)]
    return [f"--volume={folder}:{folder}:ro" for folder in dict.fromkeys(there)]
