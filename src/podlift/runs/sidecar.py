"""The container that hands a task's result over: its manifest and what it prints. Pure.

The base container writes JSON to ``/airflow/xcom/return.json``. Beside it runs a native sidecar
(Kubernetes 1.29 and later), which Kubernetes tells to end when all other containers have ended;
then it prints the file, so that the result is read like any log: no ``exec``, nothing that hangs.

What it prints: a line with the size and the checksum, the file as base64 of gzip in lines that no
container runtime cuts, and a last line. Instead, one line says that there is no file, or that it
does not fit: a node keeps 10 MiB of a container's log unless it was set up otherwise.
https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/
"""

from __future__ import annotations

import base64
import binascii
import copy
import gzip
import hashlib
import zlib

from podlift.pods.plain import Manifest
from podlift.runs.errors import ResultNotRead

CONTAINER = "airflow-xcom-sidecar"
FOLDER = "/airflow/xcom"
FILE = f"{FOLDER}/return.json"
IMAGE = "busybox:1.36"
RESOURCES: Manifest = {"requests": {"cpu": "1m", "memory": "10Mi"}}

_VOLUME = "xcom"
_MARK = "podlift-result"
_LIMIT = 9_500_000
"""Characters of base64: with the node's own marks on every line just under 10 MiB."""

# Only what busybox has. `wait` ends when the signal comes; sleep alone would hold it back. Some
# runtimes lose what a container prints right before its end, hence the pause.
_SCRIPT = f"""
say() {{ echo "{_MARK} $*"; }}
hand_over() {{
  if ! [ -e {FILE} ]; then say missing; return; fi
  if ! gzip -c {FILE} > {FOLDER}/.podlift.gz; then say unreadable; return; fi
  base64 {FOLDER}/.podlift.gz | tr -d '\\n' > {FOLDER}/.podlift.b64
  size=$(wc -c < {FOLDER}/.podlift.b64)
  if [ "$size" -gt {_LIMIT} ]; then say large "$(wc -c < {FILE})" "$size"; return; fi
  say begin "$(wc -c < {FILE})" "$(sha256sum {FILE} | cut -d ' ' -f 1)"
  fold -w 8000 {FOLDER}/.podlift.b64
  echo
  say end
}}
trap 'hand_over; sleep 1; exit 0' TERM INT
while true; do sleep 3600 & wait $!; done
"""


def with_sidecar(
    manifest: Manifest,
    base: str,
    *,
    image: str | None = None,
    resources: Manifest | None = None,
    security_context: Manifest | None = None,
) -> Manifest:
    """The manifest with the sidecar, and its folder mounted into the base container."""
    manifest = copy.deepcopy(manifest)
    spec = manifest["spec"]
    mount = {"name": _VOLUME, "mountPath": FOLDER}
    sidecar: Manifest = {
        "name": CONTAINER,
        "image": image or IMAGE,
        "restartPolicy": "Always",
        "command": ["sh", "-c", _SCRIPT],
        "volumeMounts": [mount],
        "resources": RESOURCES if resources is None else resources,
    }
    if security_context:
        sidecar["securityContext"] = security_context
    spec["initContainers"] = [sidecar, *spec.get("initContainers", ())]
    spec["volumes"] = [*spec.get("volumes", ()), {"name": _VOLUME, "emptyDir": {}}]
    for container in spec["containers"]:
        mounts = container.get("volumeMounts", [])
        if container["name"] == base and all(each["mountPath"] != FOLDER for each in mounts):
            container["volumeMounts"] = [*mounts, mount]
    return manifest


def is_whole(log: bytes) -> bool:
    """Whether the sidecar has printed all that it has to say."""
    last = log.rstrip(b"\n").rpartition(b"\n")[2]
    return last.startswith(_MARK.encode()) and not last.startswith(f"{_MARK} begin".encode())


def unpack(log: bytes) -> bytes | None:
    """The file's content out of the sidecar's log; None if there was no file.

    Raises ``ResultNotRead`` in a sentence for one that does not fit or did not come through.
    """
    lines = log.split(b"\n")
    marks = [index for index, line in enumerate(lines) if line.startswith(_MARK.encode())]
    words = [lines[index].decode("ascii", "replace").split()[1:] for index in marks]
    match words:
        case [["missing"]]:
            return None
        case [["unreadable"]]:
            raise ResultNotRead(
                f"{FILE} cannot be read by the container {CONTAINER}: let the task make it "
                "readable for others, or run both as the same user."
            )
        case [["large", size, packed]]:
            raise ResultNotRead(
                f"{FILE} holds {int(size):,} bytes, {int(packed):,} when packed for the way "
                f"through the log, where {_LIMIT:,} fit. Write it to a volume or an object "
                "store, and return where it is."
            )
        case [["begin", size, checksum], ["end"]]:
            return _decode(b"".join(lines[marks[0] + 1 : marks[1]]), int(size), checksum)
    raise ResultNotRead(
        f"The result did not come through: the log of container {CONTAINER} is not whole."
    )


def _decode(text: bytes, size: int, checksum: str) -> bytes:
    try:
        content = gzip.decompress(base64.b64decode(text, validate=True))
    except (binascii.Error, OSError, EOFError, zlib.error) as error:
        raise ResultNotRead(f"The result did not come through: {error}.") from error
    if len(content) != size or hashlib.sha256(content).hexdigest() != checksum:
        raise ResultNotRead(
            f"The result did not come through: {len(content):,} of {size:,} bytes, or not the same."
        )
    return content
