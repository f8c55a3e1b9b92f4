"""Which namespaces the executor can see: no pod is created where nobody would hear of its end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

from podlift.executor import metrics
from podlift.kube.client import Client
from podlift.kube.errors import Forbidden, KubeError
from podlift.kube.resources import PODS
from podlift.kube.view import WatchEvent
from podlift.kube.watching import watch
from podlift.pods.labels import selector_for
from podlift.pods.reading import Pod

logger = logging.getLogger(__name__)

_LOOK_AGAIN = 20.0
"""Seconds after which a namespace that could not be watched is tried again: somebody may have
granted the right, or renewed the credentials."""


class Sight:
    """Watches namespaces, and knows which of them cannot be watched, and why."""

    def __init__(self, client: Client, home: str) -> None:
        self._client = client
        self._home = home
        self._blind: dict[str | None, str] = {}

    def problem(self, namespace: str) -> str:
        """Why pods in this namespace would not be seen; empty if they are."""
        if namespace in self._blind:
            return self._blind[namespace]
        return "" if namespace == self._home else self._blind.get(None, "")

    async def watch(self, namespace: str | None) -> AsyncGenerator[WatchEvent[Pod], None]:
        """Tell of the namespace's pods for ever; None stands for all namespaces.

        Where the whole cluster may not be watched, the executor's own namespace still is. Whatever
        is in the way is said once, in a sentence, and stops nothing else.
        """
        while True:
            try:
                async with aclosing(self._events(namespace)) as events:
                    async for event in events:
                        yield event
            except KubeError as error:
                self._lost(namespace, error)
                if namespace is None and isinstance(error, Forbidden):
                    async with aclosing(self.watch(self._home)) as events:
                        async for event in events:
                            yield event
            await asyncio.sleep(_LOOK_AGAIN)

    async def _events(self, namespace: str | None) -> AsyncGenerator[WatchEvent[Pod], None]:
        synced = False
        pods = watch(self._client, PODS, namespace, type=Pod, label_selector=selector_for())
        async with aclosing(pods) as events:
            async for event in events:
                if event.kind == "SYNCED":
                    if synced:
                        metrics.relisted()
                    synced = True
                    self._found(namespace)
                yield event

    def _found(self, namespace: str | None) -> None:
        if self._blind.pop(namespace, None):
            logger.warning("Pods in %s are watched again.", _words(namespace))

    def _lost(self, namespace: str | None, error: KubeError) -> None:
        only = f", except in {self._home}" if namespace is None else ""
        sentence = (
            f"Pods in {_words(namespace)} cannot be watched, so no task is started there{only}: "
            f"{error}"
        )
        if self._blind.get(namespace) != sentence:
            self._blind[namespace] = sentence
            logger.error("%s", sentence)


def _words(namespace: str | None) -> str:
    return f"namespace {namespace}" if namespace else "all namespaces"
