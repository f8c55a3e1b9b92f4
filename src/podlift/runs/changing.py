"""Create, apply and delete objects of any kind, one after another."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias, TypeVar

from podlift.kube import (
    AlreadyExists,
    Client,
    Conflict,
    ConnectionFailed,
    Forbidden,
    KubeError,
    NotFound,
    Patch,
    Resource,
)
from podlift.kube.discovery import Discovery
from podlift.kube.pacing import repeated
from podlift.pods.plain import Manifest
from podlift.runs.errors import ObjectsNotDone

T = TypeVar("T")
Tell: TypeAlias = Callable[[str], object]
Do: TypeAlias = Callable[[Resource, str | None, Manifest], Awaitable[Manifest]]

_DEFINITION_PATIENCE = 30.0
"""Seconds within which a kind must be there whose definition was created just before."""


class Changes:
    """Changes objects in the order given, and stops at the first that fails.

    ``namespace`` is for objects that name none and live in one. A server that is busy or away is
    waited for, ``patience`` seconds for each object. Everything raises ``ObjectsNotDone``, which
    names the object, says what the server said, and lists what was done before.
    """

    def __init__(self, client: Client, namespace: str, tell: Tell, patience: float = 60.0) -> None:
        self._client = client
        self._namespace = namespace
        self._tell = tell
        self._patience = patience
        self._discovery = Discovery(client)

    async def create(self, manifests: Sequence[Manifest]) -> list[Manifest]:
        """Create them; returns them as the server made them."""

        async def create(resource: Resource, namespace: str | None, manifest: Manifest) -> Manifest:
            return await self._client.create(resource, manifest, namespace, strict=True)

        return await self._each(manifests, "created", create)

    async def apply(
        self, manifests: Sequence[Manifest], *, field_manager: str, force: bool
    ) -> list[Manifest]:
        """Make them as described, whether they are there or not (server-side apply).

        https://kubernetes.io/docs/reference/using-api/server-side-apply/
        """

        async def apply(resource: Resource, namespace: str | None, manifest: Manifest) -> Manifest:
            return await self._client.patch(
                resource,
                manifest["metadata"]["name"],
                namespace,
                manifest,
                how=Patch.APPLY,
                field_manager=field_manager,
                force=force,
            )

        return await self._each(manifests, "applied", apply)

    async def delete(
        self,
        manifests: Sequence[Manifest],
        *,
        propagation_policy: str | None,
        grace_period: int | None,
    ) -> None:
        """Ask for their deletion. One that is gone already is no failure."""

        async def delete(resource: Resource, namespace: str | None, manifest: Manifest) -> Manifest:
            try:
                await self._client.delete(
                    resource,
                    manifest["metadata"]["name"],
                    namespace,
                    propagation_policy=propagation_policy,
                    grace_period_seconds=grace_period,
                )
            except NotFound:
                self._tell(f"{_title(manifest, namespace)} was not there.")
            return manifest

        await self._each(manifests, "deleted", delete)

    async def _each(self, manifests: Sequence[Manifest], done_word: str, do: Do) -> list[Manifest]:
        done: list[Manifest] = []
        titles: list[str] = []
        for manifest in manifests:
            namespace: str | None = manifest["metadata"].get("namespace")
            try:
                resource = await self._resource(manifest, defined_before=_defines_kinds(done))
                namespace = (namespace or self._namespace) if resource.namespaced else None
                answer = await self._patiently(do, resource, namespace, manifest)
            except (KubeError, _NoSuchKind) as error:
                what = f"{_title(manifest, namespace)} was not {done_word}: {_ended(str(error))}"
                before = f" Before it, {done_word}: {', '.join(titles)}." if titles else ""
                raise ObjectsNotDone(f"{what}{_remedy(error)}{before}") from error
            done.append(answer)
            titles.append(_title(answer, namespace))
            self._tell(f"{titles[-1]} is {done_word}.")
        return done

    async def _resource(self, manifest: Manifest, *, defined_before: bool) -> Resource:
        api_version, kind = manifest["apiVersion"], manifest["kind"]
        deadline = time.monotonic() + (_DEFINITION_PATIENCE if defined_before else 0.0)
        while True:
            resource = await self._patiently(self._discovery.find, api_version, kind)
            if resource is not None:
                return resource
            if time.monotonic() >= deadline:
                raise _NoSuchKind(await self._without_kind(api_version, kind))
            await asyncio.sleep(0.5)

    async def _without_kind(self, api_version: str, kind: str) -> str:
        kinds = ", ".join(sorted(await self._discovery.kinds(api_version)))
        there = f"the kinds there are {kinds}" if kinds else "that version has no kinds at all"
        return (
            f"the cluster knows no kind {kind!r} in apiVersion {api_version!r}; {there}. "
            "Is a CustomResourceDefinition missing?"
        )

    async def _patiently(self, ask: Callable[..., Awaitable[T]], *args: object) -> T:
        """Ask again what may succeed later."""
        unanswered = False

        def retrying(error: KubeError) -> None:
            nonlocal unanswered
            unanswered = unanswered or isinstance(error, ConnectionFailed)
            self._tell(f"{error} Trying again.")

        try:
            return await repeated(lambda: ask(*args), self._patience, retrying)
        except AlreadyExists:
            if unanswered:
                self._tell("A request for it got no answer before: it may be this task's own.")
            raise


class _NoSuchKind(Exception):
    """The cluster does not know the kind; the message says what it knows."""


def _defines_kinds(done: Sequence[Manifest]) -> bool:
    return any(each.get("kind") == "CustomResourceDefinition" for each in done)


def _title(manifest: Manifest, namespace: str | None) -> str:
    metadata = manifest["metadata"]
    name = metadata.get("name") or f"{metadata.get('generateName')}*"
    return f"{manifest['kind']} {namespace}/{name}" if namespace else f"{manifest['kind']} {name}"


def _ended(sentence: str) -> str:
    return sentence if sentence.endswith((".", "?")) else f"{sentence}."


def _remedy(error: Exception) -> str:
    if isinstance(error, AlreadyExists):
        return " Apply it instead, to have what is there changed."
    if isinstance(error, Forbidden) and error.missing_right:
        return f" Grant {error.missing_right}."
    if isinstance(error, Conflict):
        return " With force=True, fields are taken over from whoever manages them."
    return ""
