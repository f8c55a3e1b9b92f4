"""What the kubelet promises to the API server, which alone calls it.

Everything a pod does by itself (starting, ending, being deleted) travels through the store. The
calls here are those which a client makes of a running pod and which must not wait for the store:
its log, ``exec`` and ``attach``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol

#: A Kubernetes object as it travels: a dict that matches the API.
Obj = dict[str, Any]


#: How containers are kept apart: ``auto`` takes bubblewrap where it is found to work.
SandboxChoice = Literal["auto", "bubblewrap", "none"]


@dataclass(frozen=True, slots=True)
class KubeletOptions:
    """What the cluster tells its kubelet: ``Kubelet(store, KubeletOptions(...))``.

    ``home`` is a folder of the kubelet's own (logs, volumes, records of processes). A claim's
    data is in ``claims / NAMESPACE / NAME``, made when first used. ``service`` is where the API
    server listens; containers see it as ``KUBERNETES_SERVICE_HOST`` and ``_PORT``. ``issue_token``
    is asked for a bearer token by (namespace, service account).
    """

    home: Path
    claims: Path
    service: tuple[str, int]
    ca_certificate: str
    issue_token: Callable[[str, str], str]
    node_name: str = "podlift-local"
    sandbox: SandboxChoice = "auto"
    stop_grace_seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class LogOptions:
    """The query of ``GET pods/NAME/log``.

    See https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#get-read-log-of-the-specified-pod
    ``container`` may be None when the pod has exactly one. ``since_time`` is timezone-aware and
    excludes ``since_seconds``. ``tail_lines`` and ``limit_bytes`` of None mean everything.
    """

    container: str | None = None
    follow: bool = False
    previous: bool = False
    since_seconds: int | None = None
    since_time: datetime | None = None
    timestamps: bool = False
    tail_lines: int | None = None
    limit_bytes: int | None = None


class RunningProcess(Protocol):
    """A process that a client is connected to: a new one (``exec``) or a container's (``attach``).

    ``stdout`` and ``stderr`` end when the process closes them. With a terminal everything comes
    on ``stdout``, and ``stderr`` is empty.
    """

    @property
    def stdout(self) -> AsyncIterator[bytes]: ...

    @property
    def stderr(self) -> AsyncIterator[bytes]: ...

    async def write_stdin(self, data: bytes) -> None:
        """Hand *data* to the process, waiting while its pipe is full; no-op once it ended."""

    async def close_stdin(self) -> None:
        """The client has no more input."""

    async def resize(self, columns: int, rows: int) -> None:
        """The client's terminal has a new size; no-op without a terminal."""

    async def wait(self) -> int:
        """The exit code (128 + n for signal n); after an ``attach``, the container's."""

    async def kill(self) -> None:
        """The client has gone: end an ``exec``'s process group, or let go of an ``attach``."""


class KubeletProtocol(Protocol):
    """The one node of the local cluster.

    The calls that name a container raise ``podlift.local.errors.BadRequest`` with the kubelet's
    own words (container not valid, waiting to start, no previous one…) before they return a
    stream, so that the API server can still answer with a status code.
    """

    async def start(self) -> None:
        """Register the node, mark the pods of a former run as lost and begin to watch."""

    async def stop(self) -> None:
        """End every container (SIGTERM, the grace period, SIGKILL); nothing is left running."""

    async def read_log(self, pod: Obj, options: LogOptions) -> AsyncIterator[bytes]:
        """Open a container's log; the iterator yields chunks of any size, whole lines or not.

        With ``follow`` it ends when the container does (and will not be restarted).
        """

    async def exec(
        self, pod: Obj, container: str, command: list[str], *, stdin: bool, tty: bool
    ) -> RunningProcess:
        """Start *command* beside the container's own process, in its namespaces.

        Raises ``podlift.local.errors.InternalError`` when the command cannot be started.
        """

    async def attach(self, pod: Obj, container: str, *, stdin: bool, tty: bool) -> RunningProcess:
        """Connect to the container's own process; only what it writes from now on is seen."""
