"""What a run says goes into the task's log, and to the callbacks of the DAG's author."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Protocol

from podlift.callbacks import KubernetesPodOperatorCallback
from podlift.kube import PODS, Client, KubeError
from podlift.operators.models import core_v1_client, pod_model
from podlift.pods.plain import Manifest, to_manifest
from podlift.pods.reading import Pod
from podlift.runs import LineFormat, Listener, Moment

_METHODS = {
    Moment.CREATED: "on_pod_creation",
    Moment.STARTED: "on_pod_starting",
    Moment.COMPLETED: "on_pod_completion",
    Moment.TEARDOWN: "on_pod_teardown",
    Moment.CLEANED_UP: "on_pod_cleanup",
}
_TOO_LATE = frozenset({Moment.TEARDOWN, Moment.CLEANED_UP})
"""Moments at which the task's fate is decided: what a callback raises then is only logged."""


class TaskLog(Protocol):
    """Where the task's log goes."""

    def info(self, event: str, /, *args: object) -> object: ...

    def warning(self, event: str, /, *args: object) -> object: ...


class TaskListener(Listener):
    """Writes sentences and lines into the task's log, and calls back.

    ``base``, ``prefix``, ``formatter`` and ``label`` say how: see ``LineFormat``.
    """

    def __init__(
        self,
        log: TaskLog,
        *,
        base: str = "base",
        prefix: bool = False,
        formatter: Callable[[str, str], str] | None = None,
        label: str = "",
        callbacks: Sequence[type[KubernetesPodOperatorCallback]] = (),
        progress: Callable[[str], object] | None = None,
        client: Client,
        operator: Any = None,
        context: Any = None,
        mode: str = "sync",
    ) -> None:
        self._log = log
        self._format = LineFormat(base, prefix, formatter, label)
        self._callbacks = tuple(callbacks)
        self._progress = progress
        self._client = client
        self._core_v1 = core_v1_client(operator)
        self._given = {"client": self._core_v1, "mode": mode}
        self._owner = {"operator": operator, "context": context}
        self._pod: Any = None

    # A sentence or a line may hold a percent sign, so neither is a format.

    def info(self, sentence: str) -> None:
        self._log.info("%s", self._format.sentence(sentence))

    def warning(self, sentence: str) -> None:
        self._log.warning("%s", self._format.sentence(sentence))

    def line(self, container: str, line: str, moment: datetime | None = None) -> None:
        self._log.info("%s", self._format.line(container, line))
        if self._progress is not None and container == self._format.base:
            self._ask_gently("progress_callback", self._progress, line)
        for callback in self._callbacks:
            self._ask_gently(
                "progress_callback",
                callback.progress_callback,
                line=line,
                container_name=container,
                timestamp=moment,
                pod=self._pod,
                **self._given,
            )

    async def client_created(self) -> None:
        """Call ``on_sync_client_creation``."""
        for callback in self._callbacks:
            given = {"client": self._core_v1, "operator": self._owner["operator"]}
            await _awaited(callback.on_sync_client_creation(**given))

    async def manifest_created(self, manifest: Manifest) -> Manifest:
        """Call ``on_pod_manifest_created``; returns the manifest as it left it."""
        if not self._callbacks:
            return manifest
        request = pod_model(manifest)
        for callback in self._callbacks:
            given = self._given | self._owner
            await _awaited(callback.on_pod_manifest_created(pod_request=request, **given))
        return to_manifest(request)

    async def resuming(self, pod: Pod, event: dict[str, Any]) -> None:
        """Call ``on_operator_resuming``."""
        if not self._callbacks:
            return
        self._pod = await self._whole(pod)
        for callback in self._callbacks:
            given = self._given | self._owner
            await _awaited(callback.on_operator_resuming(pod=self._pod, event=event, **given))

    async def reached(self, moment: Moment, pod: Pod) -> None:
        """Call the callbacks of this moment with the pod as the server has it now."""
        if not self._callbacks:
            return
        self._pod = await self._whole(pod)
        for callback in self._callbacks:
            method = getattr(callback, _METHODS[moment])
            try:
                await _awaited(method(pod=self._pod, **self._given, **self._owner))
            except Exception as error:  # whatever a user's code may raise
                if moment not in _TOO_LATE:
                    raise
                self.warning(f"Callback {method.__qualname__} failed: {error!r}")

    async def _whole(self, pod: Pod) -> Any:
        """The whole pod; once it is gone, as it was last seen."""
        metadata = pod.metadata
        try:
            return pod_model(await self._client.get(PODS, metadata.name, metadata.namespace))
        except KubeError:
            return self._pod

    def _ask_gently(
        self, name: str, function: Callable[..., object], *args: Any, **kw: Any
    ) -> None:
        """A line's callback comes too often for its failure to end the task."""
        try:
            function(*args, **kw)
        except Exception as error:  # noqa: BLE001  whatever a user's code may raise
            self.warning(f"The {name} failed and is not called again: {error!r}")
            self._progress = None if function is self._progress else self._progress
            self._callbacks = tuple(
                each for each in self._callbacks if each.progress_callback is not function
            )


async def _awaited(result: Any) -> None:
    if inspect.isawaitable(result):
        await result
