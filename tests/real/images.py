"""Container images made on the spot, without a registry, as archives for `ctr images import`."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from tests.machine import IMAGE as MACHINE
from tests.real import building
from tests.real.errors import RealClusterError
from tests.real.layers import digest_of

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


@dataclass(frozen=True)
class Layered:
    """An image of layers that are tar files in the cache.

    Attributes:
        name: the reference without its tag, which tells the content.
        user: whom it runs as, unless a pod says otherwise.
    """

    name: str
    layers: tuple[Path, ...]
    user: str
    entrypoint: tuple[str, ...]
    environment: tuple[str, ...]

    @property
    def reference(self) -> str:
        """The name and a tag that changes with whatever the image consists of."""
        content = json.dumps([self.config(), *map(digest_of, self.layers)])
        return f"{self.name}:{hashlib.sha256(content.encode()).hexdigest()[:12]}"

    def config(self) -> dict[str, object]:
        """What a container of it runs, by the image's specification."""
        return {
            "User": self.user,
            "Entrypoint": list(self.entrypoint),
            "Env": list(self.environment),
        }


def write_archive(image: Image, path: Path) -> None:
    """Write ``image`` as a Docker archive (https://github.com/moby/docker-image-spec)."""
    layer = _layer(image)
    digest = hashlib.sha256(layer).hexdigest()
    runs = {"Entrypoint": list(image.entrypoint), "Env": ["PATH=/usr/bin:/bin:/sbin"]}
    described = _described(image.reference, runs, {"layer.tar": digest})
    with tarfile.open(path, "w") as archive:
        _add_all(archive, {**described, "layer.tar": layer}.items())


def send_archive(image: Layered, to: IO[bytes]) -> None:
    """Write ``image`` as a Docker archive into a stream."""
    layers = {f"{index}.tar": each for index, each in enumerate(image.layers)}
    digests = {name: digest_of(each) for name, each in layers.items()}
    with tarfile.open(fileobj=to, mode="w|") as archive:
        _add_all(archive, _described(image.reference, image.config(), digests).items())
        for name, each in layers.items():
            archive.add(each, name)


def _described(
    reference: str, runs: Mapping[str, object], digests: dict[str, str]
) -> dict[str, bytes]:
    """The two files that say what an image is, for layers of these names and SHA-256 digests."""
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": runs,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{each}" for each in digests.values()]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [_full(reference)], "Layers": list(digests)}]
    return {
        "config.json": json.dumps(config).encode(),
        "manifest.json": json.dumps(manifest).encode(),
    }


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
