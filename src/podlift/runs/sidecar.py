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
_MOST = 256 << 20
"""Bytes of a file that is looked at: to pack more takes longer than a container gets to end."""
_READY = f"{FOLDER}/.podlift.ready"
_GO = f"{FOLDER}/.podlift.go"
_TIME = 30
_LAST = 1000
"""Bytes that hold the last line."""
_ELSEWHERE = "Write it to a volume or an object store, and return where it is."

# Only what busybox has. `wait` ends when the signal comes; what it waits for would hold it back.
# Some runtimes lose what a container prints right before its end, hence the pause.
_SCRIPT = f"""
say() {{ echo "{_MARK} $*"; }}
hand_over() {{
  if ! [ -e {FILE} ]; then say missing; return; fi
  if ! [ -f {FILE} ] || ! [ -r {FILE} ]; then say unreadable; return; fi
  size=$(wc -c < {FILE})
  if [ "$size" -gt {_MOST} ]; then say huge "$size"; return; fi
  if ! reason=$(gzip -c {FILE} 2>&1 > {FOLDER}/.podlift.gz); then say failed $reason; return; fi
  base64 {FOLDER}/.podlift.gz | tr -d '\\n' > {FOLDER}/.podlift.b64
  packed=$(wc -c < {FOLDER}/.podlift.b64)
  if [ "$packed" -gt {_LIMIT} ]; then say large "$size" "$packed"; return; fi
  say begin "$size" "$(sha256sum {FILE} | cut -d ' ' -f 1)"
  fold -w 8000 {FOLDER}/.podlift.b64
  echo
  say end
}}
finish() {{
  trap '' TERM INT
  kill $waiting 2>/dev/null
  hand_over
  sleep 1
  exit 0
}}
trap finish TERM INT
[ -p {_GO} ] || mkfifo {_GO} 2>/dev/null
listens=
if [ -p {_GO} ] && (exec 3<> {_GO}) 2>/dev/null; then exec 3<> {_GO}; listens=yes; fi
touch {_READY}
while true; do
  if [ $listens ]; then head -n 1 <&3 >/dev/null & else sleep 3600 & fi
  waiting=$!
  wait $waiting && [ $listens ] && finish
  listens=
done
"""

# A signal that comes before the trap is set would be lost; the base container starts after this.
_WAIT = f"for i in $(seq 100); do [ -e {_READY} ] && exit; sleep 0.05; done; exit 0"

# Kubernetes ends sidecars after all other containers: one that does not want to end uses up the
# time of all. Hooks are not held back, so this one has the result handed over right away. Opened
# for both directions, because to open a pipe that nobody reads would wait.
_HURRY = f"[ ! -p {_GO} ] || echo go 1<> {_GO}"


def with_sidecar(
    manifest: Manifest,
    base: str,
    *,
    image: str | None = None,
    resources: Manifest | None = None,
    security_context: Manifest | None = None,
) -> Manifest:
    """The manifest with the sidecar, and its folder mounted into the base container.

    What the base container mounts there already, both share. The pod gets 30 seconds to end if it
    has less: it is in this time that the result is handed over.
    """
    manifest = copy.deepcopy(manifest)
    spec = manifest["spec"]
    container = next(each for each in spec["containers"] if each["name"] == base)
    mounts = container.get("volumeMounts", [])
    mount = next((each for each in mounts if each["mountPath"].rstrip("/") == FOLDER), None)
    if mount is None:
        mount = {"name": _VOLUME, "mountPath": FOLDER}
        container["volumeMounts"] = [*mounts, mount]
    sidecar: Manifest = {
        "name": CONTAINER,
        "image": image or IMAGE,
        "restartPolicy": "Always",
        "command": ["sh", "-c", _SCRIPT],
        "lifecycle": {
            "postStart": {"exec": {"command": ["sh", "-c", _WAIT]}},
            "preStop": {"exec": {"command": ["sh", "-c", _HURRY]}},
        },
        "volumeMounts": [mount],
        "resources": RESOURCES if resources is None else resources,
    }
    if security_context:
        sidecar["securityContext"] = security_context
    # Sidecars end in the reverse order and share the time that they get: ours is to end first.
    spec["initContainers"] = [*spec.get("initContainers", ()), sidecar]
    spec["terminationGracePeriodSeconds"] = max(
        _TIME, spec.get("terminationGracePeriodSeconds", _TIME)
    )
    if all(each["name"] != mount["name"] for each in spec.get("volumes", ())):
        spec["volumes"] = [*spec.get("volumes", ()), {"name": mount["name"], "emptyDir": {}}]
    return manifest


def is_whole(log: bytes | bytearray) -> bool:
    """Whether the sidecar has printed all that it has to say."""
    last = log[-_LAST:].removesuffix(b"\n").rpartition(b"\n")[2]
    return (
        log.endswith(b"\n")
        and last.startswith(_MARK.encode())
        and not last.startswith(f"{_MARK} begin".encode())
    )


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
                f"{FILE} is no file that the container {CONTAINER} can read: let the task make it "
                "readable for others, or run both as the same user."
            )
        case [["failed", *reason]]:
            raise ResultNotRead(
                f"{FILE} could not be packed by the container {CONTAINER}: {' '.join(reason)}."
            )
        case [["huge", size]]:
            raise ResultNotRead(
                f"{FILE} holds {int(size):,} bytes, where {_MOST:,} are taken at most. {_ELSEWHERE}"
            )
        case [["large", size, packed]]:
            raise ResultNotRead(
                f"{FILE} holds {int(size):,} bytes, {int(packed):,} when packed for the way "
                f"through the log, where {_LIMIT:,} fit. {_ELSEWHERE}"
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
