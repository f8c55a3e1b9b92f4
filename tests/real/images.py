"""Container images made on the spot, without a registry, as archives for `ctr images import`."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tests.machine import IMAGE as MACHINE
from tests.real import building
from tests.real.errors import RealClusterError

PAUSE = "podlift.dev/pause:1"
BUSYBOX = "busybox:1.36"


@dataclass(frozen=True)
class Image:
    """One layer of files and links."""

    reference: str
    files: dict[str, Path] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    folders: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()


def pause() -> Image:
    """What every pod's sandbox runs."""
    return Image(PAUSE, files={"pause": building.pause() / "pause"}, entrypoint=("/pause",))


def busybox() -> Image:
    """A shell and the usual small programs, from the machine's static busybox."""
    program = shutil.which("busybox")
    if program is None:
        raise RealClusterError("busybox is missing: apt install busybox-static")
    names = subprocess.run([program, "--list"], capture_output=True, text=True, check=True)
    links = {f"bin/{name}": "busybox" for name in names.stdout.split() if name != "busybox"}
    return Image(
        BUSYBOX,
        files={"bin/busybox": Path(program)},
        links=links,
        folders=("tmp", "etc", "dev", "proc", "sys", "var", "root"),
    )


def machine() -> Image:
    """Nothing but what every Linux has: for pods that mount this machine's own folders."""
    return Image(
        MACHINE,
        files={"etc/passwd": Path("/etc/passwd"), "etc/group": Path("/etc/group")},
        folders=("tmp", "etc", "dev", "proc", "sys", "var", "run", "root"),
    )


def write_archive(image: Image, path: Path) -> None:
    """Write ``image`` as a Docker archive (https://github.com/moby/docker-image-spec)."""
    layer = _layer(image)
    digest = hashlib.sha256(layer).hexdigest()
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Entrypoint": list(image.entrypoint), "Env": ["PATH=/usr/bin:/bin:/sbin"]},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
        }
    ).encode()
    manifest = json.dumps(
        [{"Config": "config.json", "RepoTags": [_full(image.reference)], "Layers": ["layer.tar"]}]
    ).encode()
    parts = {"config.json": config, "layer.tar": layer, "manifest.json": manifest}
    with tarfile.open(path, "w") as archive:
        _add_all(archive, parts.items())


def _full(reference: str) -> str:
    """The reference as containerd stores it: with the default registry spelled out."""
    return reference if "/" in reference else f"docker.io/library/{reference}"


def _layer(image: Image) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as layer:
        for folder in sorted({*image.folders, *(str(Path(f).parent) for f in image.files)} - {"."}):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            layer.addfile(entry)
        _add_all(layer, ((name, source.read_bytes()) for name, source in image.files.items()))
        for name, target in image.links.items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            layer.addfile(entry)
    return buffer.getvalue()


def _add_all(archive: tarfile.TarFile, files: Iterable[tuple[str, bytes]]) -> None:
    for name, data in files:
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = len(data), 0o755
        archive.addfile(entry, io.BytesIO(data))
