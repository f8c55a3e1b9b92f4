"""Layers of images, kept as tar files in the cache."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.real.errors import RealClusterError
from tests.real.paths import CACHE

LAYERS = CACHE / "layers"


def layer(name: str, made_of: Iterable[str], fill: Callable[[Path], None]) -> Path:
    """The tar file of the folder that ``fill`` puts files into, made once for what it is made of.

    ``made_of`` is whatever the content depends on. Owners are root; an older layer of that name
    goes. Times are kept, because Python's bytecode names those of its sources.
    """
    digest = hashlib.sha256("\0".join(made_of).encode()).hexdigest()[:12]
    target = LAYERS / f"{name}-{digest}.tar"
    if target.exists():
        return target
    LAYERS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=LAYERS, prefix=".making-") as scratch:
        root, archive = Path(scratch) / "root", Path(scratch) / "layer.tar"
        root.mkdir()
        fill(root)
        _pack(root, archive)
        for old in LAYERS.glob(f"{name}-????????????.*"):
            old.unlink()
        archive.rename(target)
    return target


def of_files(*folders: Path) -> list[str]:
    """What a layer of these folders or files is made of: each file's path and content."""
    files = [f for folder in folders for f in _files(folder)]
    return [f"{file} {hashlib.sha256(file.read_bytes()).hexdigest()}" for file in sorted(files)]


def digest_of(file: Path) -> str:
    """SHA-256 of a file, remembered beside it."""
    known = file.with_suffix(".sha256")
    if not known.exists() or known.stat().st_mtime < file.stat().st_mtime:
        with file.open("rb") as content:
            found = hashlib.file_digest(content, "sha256").hexdigest()
        known.write_text(found)
    return known.read_text()


def add_programs(root: Path, *programs: Path) -> None:
    """Copy programs of this machine to where they are here, with what they link to."""
    for each in sorted({*programs, *linked(programs)}):
        add(root, each, each)


def add(root: Path, source: Path, target: Path) -> None:
    """Copy one file, as whatever it is a link to, to an absolute path of the image."""
    inside = root / target.relative_to("/")
    inside.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, inside)


def write(root: Path, target: str, text: str, mode: int = 0o644) -> None:
    """Write a file of the image."""
    inside = root / target.removeprefix("/")
    inside.parent.mkdir(parents=True, exist_ok=True)
    inside.write_text(text)
    inside.chmod(mode)


def linked(programs: Iterable[Path]) -> set[Path]:
    """The shared libraries that the dynamic linker finds for these programs, its own file too."""
    found: set[Path] = set()
    names = [str(program) for program in programs]
    for start in range(0, len(names), 200):
        command = ["ldd", *names[start : start + 200]]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        for line in done.stdout.splitlines():
            path = line.rpartition("=>")[2].split(" (")[0].strip()
            if path.startswith("/") and not path.endswith(":"):
                found.add(Path(path))
    return found


def _files(folder: Path) -> list[Path]:
    if folder.is_file():
        return [folder]
    everything = (p for p in folder.rglob("*") if "__pycache__" not in p.parts)
    return [path for path in everything if path.is_file()]


def _pack(root: Path, archive: Path) -> None:
    # /tmp is for all, and folders may not be open to nobody but their maker.
    for folder, _, _ in os.walk(root):
        os.chmod(folder, 0o755)
    if (root / "tmp").is_dir():
        (root / "tmp").chmod(0o1777)
    owner = ("--owner=0", "--group=0", "--numeric-owner")
    command = ["tar", "--create", f"--file={archive}", *owner, f"--directory={root}", "."]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RealClusterError(f"tar does not pack a layer: {done.stderr}")
