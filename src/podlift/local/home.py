"""The cluster's home folder: its lock, its secrets, its kubeconfig and its record."""

from __future__ import annotations

import base64
import fcntl
import json
import os
from dataclasses import dataclass
from pathlib import Path

import msgspec

from podlift.local import errors
from podlift.local.certificates import Certificates


@dataclass(frozen=True, slots=True)
class Endpoint:
    """How to reach a running cluster."""

    url: str
    kubeconfig: Path
    token: str
    ca_certificate: Path


#: The file in the home folder that says which process runs the cluster.
RECORD = "cluster.json"


class ClusterRecord(msgspec.Struct, frozen=True):
    """What :data:`RECORD` holds: the process, when it was started, and where it listens."""

    pid: int
    started: int
    url: str
    token: str

    def endpoint(self, home: Path) -> Endpoint:
        """How to reach the cluster."""
        return Endpoint(self.url, home / "kubeconfig", self.token, home / "pki" / "ca.crt")


def started_at(pid: int) -> int | None:
    """When a process was started, in clock ticks since the machine was; None where it is gone.

    With the number this names a process for as long as the machine runs. A process that has
    ended and was not waited for counts as gone.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] == "Z" else int(fields[19])


def make_home(home: Path) -> None:
    """Make the folder, for its owner alone; raises HomeUnusable."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        home.chmod(0o700)
        probe = home / f".probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise errors.HomeUnusable(
            f"The home folder {home} cannot be used ({error.strerror}); "
            "choose another one or change its permissions."
        ) from error


def lock_home(home: Path) -> int:
    """Hold the home folder for this process; the lock goes when the process does."""
    handle = os.open(home / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise errors.AlreadyRunning(
            f"A cluster already runs from {home}; stop it or choose another home folder."
        ) from None
    return handle


def write_certificates(folder: Path, certificates: Certificates) -> dict[str, str]:
    """Write the certificates and the key; returns their paths by name."""
    folder.mkdir(mode=0o700, exist_ok=True)
    paths = {
        "authority": folder / "ca.crt",
        "certificate": folder / "apiserver.crt",
        "key": folder / "apiserver.key",
    }
    write_private(paths["authority"], certificates.authority)
    write_private(paths["certificate"], certificates.certificate)
    write_private(paths["key"], certificates.key)
    return {name: str(path) for name, path in paths.items()}


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, all of it or nothing."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)
    new.replace(path)


def kubeconfig_text(url: str, authority: str, token: str) -> str:
    """A kubeconfig as JSON, which is YAML as well."""
    name = "podlift-local"
    ca_data = base64.b64encode(authority.encode()).decode()
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": name, "cluster": {"server": url, "certificate-authority-data": ca_data}}
        ],
        "users": [{"name": name, "user": {"token": token}}],
        "contexts": [
            {"name": name, "context": {"cluster": name, "user": name, "namespace": "default"}}
        ],
        "current-context": name,
    }
    return json.dumps(config, indent=2) + "\n"
