"""The key that seals workloads: in a Kubernetes Secret of each namespace that has task pods."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections import defaultdict
from typing import Any

from podlift.kube.client import Client
from podlift.kube.errors import AlreadyExists, NotFound
from podlift.kube.resources import SECRETS
from podlift.pods.labels import MANAGED_BY, PODLIFT
from podlift.pods.plain import Manifest
from podlift.sealing import KEY_VARIABLE, SealError, new_key

ENTRY = "key"
"""The Secret's entry that holds the key."""


class Seals:
    """Gets the key of each namespace, once. The Secret is created where it does not exist."""

    def __init__(self, client: Client, secret_name: str) -> None:
        self._client = client
        self._name = secret_name
        self._keys: dict[str, str] = {}
        self._reading: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def key(self, namespace: str) -> str:
        """The key for this namespace's pods. Raises ``KubeError`` or ``SealError``.

        Two schedulers that start at once both try to create it; the one that comes second finds
        and uses what the first one made.
        """
        known = self._keys.get(namespace)
        if known is not None:
            return known
        async with self._reading[namespace]:
            if namespace not in self._keys:
                self._keys[namespace] = await self._read_or_create(namespace)
            return self._keys[namespace]

    def forget(self, namespace: str) -> None:
        """Read the Secret anew when the key is needed next: somebody may have replaced it."""
        self._keys.pop(namespace, None)

    async def restore(self, namespace: str) -> None:
        """Put the Secret back where it was deleted, with the key that pods were sealed with.

        They wait for it. Raises as ``key``.
        """
        async with self._reading[namespace]:
            known = self._keys.get(namespace)
            self._keys[namespace] = await self._read_or_create(namespace, known)

    def variable(self) -> Manifest:
        """The environment variable by which a container gets the key."""
        reference = {"name": self._name, "key": ENTRY}
        return {"name": KEY_VARIABLE, "valueFrom": {"secretKeyRef": reference}}

    async def _read_or_create(self, namespace: str, key: str | None = None) -> str:
        try:
            return self._decode(await self._client.get(SECRETS, self._name, namespace))
        except NotFound:
            pass
        try:
            made = await self._client.create(SECRETS, self._manifest(key or new_key()), namespace)
        except AlreadyExists:
            made = await self._client.get(SECRETS, self._name, namespace)
        return self._decode(made)

    def _manifest(self, key: str) -> Manifest:
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": self._name, "labels": {MANAGED_BY: PODLIFT}},
            "type": "Opaque",
            "data": {ENTRY: base64.b64encode(key.encode()).decode()},
        }

    def _decode(self, secret: dict[str, Any]) -> str:
        try:
            entry = secret["data"][ENTRY]
            # While a key is being replaced there are several: the first seals, all of them open.
            return base64.b64decode(entry, validate=True).decode("ascii").split()[0]
        except (KeyError, IndexError, TypeError, binascii.Error, UnicodeDecodeError):
            namespace = secret.get("metadata", {}).get("namespace", "")
            raise SealError(
                f"Secret {self._name} in namespace {namespace} has no usable entry {ENTRY!r}: "
                "delete it, and a fresh one is made."
            ) from None
