"""Run a command in a container that is running."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from podlift.kube import PODS, Channel, Client, KubeError, RemoteStream, StreamError
from podlift.kube.lines import LineSplitter
from podlift.kube.pacing import repeated
from podlift.pods.plain import Manifest
from podlift.runs.errors import CommandNotRun

Tell: TypeAlias = Callable[[str, str], object]
"""Hears each line with the name of its stream."""

_LINE_LIMIT = 1 << 16
_PATIENCE = 60.0
"""Seconds for which a server that is busy or away is asked again for the pod."""
_DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"
_NAMES = {Channel.STDOUT: "stdout", Channel.STDERR: "stderr"}


@dataclass(frozen=True)
class Place:
    """A running container."""

    pod: str
    container: str
    namespace: str

    def __str__(self) -> str:
        return f"container {self.container!r} of pod {self.namespace}/{self.pod}"


async def find_place(
    client: Client, namespace: str, pod_name: str, label_selector: str, container: str
) -> Place:
    """The running container that is meant.

    By name, or the only running pod with these labels. The container is the one named, or the pod's
    default one, or its first. Raises ``CommandNotRun`` where nothing of that kind runs.
    """
    if pod_name:
        try:
            pod = await repeated(lambda: client.get(PODS, pod_name, namespace), _PATIENCE)
        except KubeError as error:
            raise CommandNotRun(f"Pod {namespace}/{pod_name} cannot be read: {error}") from error
    else:
        pod = await _only_running(client, namespace, label_selector)
    place = Place(pod["metadata"]["name"], _container_of(pod, container), namespace)
    _check_running(pod, place)
    return place


async def _only_running(client: Client, namespace: str, label_selector: str) -> Manifest:
    try:
        listing = await repeated(
            lambda: client.list(PODS, namespace, label_selector=label_selector), _PATIENCE
        )
    except KubeError as error:
        raise CommandNotRun(f"The pods of {namespace} cannot be listed: {error}") from error
    running = [pod for pod in listing.items if _runs(pod)]
    if len(running) != 1:
        names = ", ".join(pod["metadata"]["name"] for pod in running) or "none"
        raise CommandNotRun(
            f"One running pod with labels {label_selector!r} was looked for in namespace "
            f"{namespace}, but there are: {names}."
        )
    return running[0]


def _runs(pod: Manifest) -> bool:
    deleted = "deletionTimestamp" in pod["metadata"]
    return pod.get("status", {}).get("phase") == "Running" and not deleted


def _container_of(pod: Manifest, wanted: str) -> str:
    spec = pod["spec"]
    names = [each["name"] for each in spec["containers"]]
    if not wanted:
        default = pod["metadata"].get("annotations", {}).get(_DEFAULT_CONTAINER)
        return default if default in names else str(names[0])
    # Ephemeral containers and native sidecars run commands like any other.
    others = (*spec.get("initContainers", ()), *spec.get("ephemeralContainers", ()))
    if wanted not in names and wanted not in [each["name"] for each in others]:
        raise CommandNotRun(
            f"Pod {pod['metadata']['name']} has no container {wanted!r}, but {', '.join(names)}."
        )
    return wanted


def _check_running(pod: Manifest, place: Place) -> None:
    status = pod.get("status", {})
    kinds = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")
    statuses: list[Any] = [each for kind in kinds for each in status.get(kind) or ()]
    state: dict[str, Any] = next(
        (each["state"] for each in statuses if each["name"] == place.container), {}
    )
    if "running" not in state:
        words = next(iter(state), "not begun")
        phase = status.get("phase", "unknown")
        raise CommandNotRun(f"{place} does not run: it is {words}, the pod {phase}.")


async def run_command(
    client: Client,
    place: Place,
    command: Sequence[str],
    tell: Tell,
    *,
    stdin: bytes | None = None,
    keep: int = 0,
) -> tuple[int, bytes]:
    """Run it to its end; returns its exit code, and its standard output up to ``keep`` bytes.

    With more output than that, one byte more than ``keep`` is returned. Raises ``CommandNotRun``.
    """
    try:
        async with client.exec(
            place.pod, place.namespace, command, container=place.container, stdin=stdin is not None
        ) as stream:
            return await _hear(stream, tell, stdin, keep)
    except KubeError as error:
        raise CommandNotRun(f"The command in {place}: {error}") from error


async def _hear(
    stream: RemoteStream, tell: Tell, stdin: bytes | None, keep: int
) -> tuple[int, bytes]:
    splitters = {name: LineSplitter(_LINE_LIMIT) for name in _NAMES.values()}
    output = bytearray()

    def hear(name: str, lines: list[bytes]) -> None:
        for line in lines:
            tell(name, line.decode(errors="replace").rstrip("\r\n"))

    writing = asyncio.ensure_future(_write(stream, stdin))
    try:
        async for frame in stream:
            name = _NAMES[frame.channel]
            hear(name, splitters[name].feed(frame.data))
            if name == "stdout" and len(output) <= keep:
                output += frame.data[: keep + 1 - len(output)]
    finally:
        # A command may end without having read all its input; the rest is of no use to anybody.
        writing.cancel()
        [refusal] = await asyncio.gather(writing, return_exceptions=True)
        for name, splitter in splitters.items():
            hear(name, [rest] if (rest := splitter.rest()) else [])
        if isinstance(refusal, StreamError):
            raise refusal
    return stream.exit_code, bytes(output)


async def _write(stream: RemoteStream, stdin: bytes | None) -> None:
    if stdin is None:
        return
    try:
        await stream.write(stdin)
        await stream.close_stdin()
    except StreamError:  # the server cannot end the input, and the command would wait for ever
        await stream.close()
        raise
