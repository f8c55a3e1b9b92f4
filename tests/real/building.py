"""Builds the node's programs from their Go modules, once per pinned version.

A build goes into a folder of its own that is renamed into place when complete, so a build that
was interrupted leaves nothing that could be mistaken for a finished one; the next build removes it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.real.errors import RealClusterError
from tests.real.paths import CACHE, HERE

KUBERNETES = (
    "k8s.io/kubernetes/cmd/kube-apiserver",
    "k8s.io/kubernetes/cmd/kube-controller-manager",
    "k8s.io/kubernetes/cmd/kube-proxy",
    "k8s.io/kubernetes/cmd/kube-scheduler",
    "k8s.io/kubernetes/cmd/kubelet",
)
DEFAULT_MINOR = "1.36"


def kubernetes(minor: str = DEFAULT_MINOR) -> Path:
    """Folder with the five Kubernetes programs of that minor version, built if need be."""
    module = HERE / "go" / f"kubernetes-{minor}"
    if not module.is_dir():
        known = ", ".join(
            sorted(p.name.removeprefix("kubernetes-") for p in module.parent.iterdir())
        )
        raise RealClusterError(f"Kubernetes {minor} is not pinned here; there is: {known}.")
    return _built(
        module, KUBERNETES, f"Kubernetes {minor} (once; some ten minutes)", _version_flags(module)
    )


def etcd() -> Path:
    """Folder with etcd, built if need be."""
    return _built(HERE / "go" / "etcd", (".",), "etcd (once; about a minute)")


def coredns() -> Path:
    """Folder with CoreDNS, which gives services their names, built if need be."""
    return _built(HERE / "go" / "coredns", (".",), "CoreDNS (once; some two minutes)")


def pause() -> Path:
    """Folder with the program that holds a pod's namespaces open, built if need be."""
    return _built(HERE / "go" / "pause", (".",), "pause")


def kwok() -> Path:
    """Folder with ``kwok``, which plays nodes and their pods for measurements, built if need be."""
    return _built(HERE / "go" / "kwok", ("sigs.k8s.io/kwok/cmd/kwok",), "KWOK (once; some minutes)")


def s3_server() -> Path:
    """Folder with ``versitygw``, an S3 server whose buckets are folders, built if need be."""
    module = HERE / "go" / "versitygw"
    packages = ("github.com/versity/versitygw/cmd/versitygw",)
    return _built(module, packages, "an S3 server (once; some minutes)")


def _version_flags(module: Path) -> str:
    """Linker flags by which the programs report the release that ``go.mod`` pins."""
    found = re.search(
        r"^require k8s\.io/kubernetes v(\d+)\.(\d+)\.(\d+)$", _text(module), re.MULTILINE
    )
    if found is None:
        raise RealClusterError(f"{module}/go.mod does not require k8s.io/kubernetes at a release.")
    major, minor, patch = found.groups()
    version = {"Major": major, "Minor": minor, "Version": f"v{major}.{minor}.{patch}"}
    package = "k8s.io/component-base/version.git"
    return " ".join(f"-X {package}{field}={value}" for field, value in version.items())


def _text(module: Path) -> str:
    return (module / "go.mod").read_text()


def _built(module: Path, packages: tuple[str, ...], what: str, link: str = "") -> Path:
    link = f"-s -w {link}".strip()
    home = CACHE / f"{module.name}-{_fingerprint(module, link)}"
    if _is_complete(home, module, packages):
        return home
    go = shutil.which("go")
    if go is None:
        raise RealClusterError(
            "Go is needed to build the programs that tests run: install Go 1.26 or later."
        )
    CACHE.mkdir(parents=True, exist_ok=True)
    with _alone():
        if _is_complete(home, module, packages):
            return home  # another command built it meanwhile
        for left in (home, *CACHE.glob(".building-*")):
            shutil.rmtree(left, ignore_errors=not left.exists())
        _build(go, module, packages, what, link, home)
    return home


@contextmanager
def _alone() -> Iterator[None]:
    """Wait until no other command builds. The lock goes with the process that holds it."""
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _is_complete(home: Path, module: Path, packages: tuple[str, ...]) -> bool:
    names = [module.name if package == "." else Path(package).name for package in packages]
    return all(os.access(home / name, os.X_OK) for name in names)


def _build(
    go: str, module: Path, packages: tuple[str, ...], what: str, link: str, home: Path
) -> None:
    print(f"Building {what} ...", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(dir=CACHE, prefix=".building-") as scratch:
        made = Path(scratch) / "bin"
        made.mkdir()
        command = [go, "build", "-trimpath", "-ldflags", link, "-o", f"{made}/", *packages]
        done = subprocess.run(
            command,
            cwd=module,
            env={**os.environ, "GOFLAGS": "-mod=readonly -buildvcs=false", "CGO_ENABLED": "0"},
        )
        if done.returncode != 0:
            raise RealClusterError(f"Building {what} failed; go's own words are above.")
        made.rename(home)


def _fingerprint(module: Path, link: str) -> str:
    """Changes with every pinned version and flag, so that another pin is another folder."""
    digest = hashlib.sha256(link.encode())
    for file in sorted(module.iterdir()):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]
