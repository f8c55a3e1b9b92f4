"""One run of one object that makes pods, put together from its phases.

A watch says what becomes of the object; another one sees its pods, whose logs are told while they
run. Nothing is polled.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from podlift.kube import PODS, Client, KubeError, Resource
from podlift.kube.pacing import repeated
from podlift.pods.plain import Manifest
from podlift.pods.reading import Pod
from podlift.runs.errors import PodNotObserved, ResultNotRead
from podlift.runs.judging import Verdict, progress_of, verdict_of
from podlift.runs.listening import Listener
from podlift.runs.making import delete_object, find_former, find_own, make
from podlift.runs.members import Members
from podlift.runs.objects import ObjectOptions, ObjectOutcome, Reference, reference_to
from podlift.runs.objects_watching import Watches
from podlift.runs.options import OnFinish, OnKill
from podlift.runs.outcome import Outcome
from podlift.runs.run import PodRun
from podlift.runs.watching import PodView

_DELETES = {OnFinish.DELETE_POD: "", OnFinish.DELETE_SUCCEEDED_POD: "status.phase=Succeeded"}
"""Which of the pods are deleted when the work has ended: a field selector."""
_INDEX = "batch.kubernetes.io/job-completion-index"


@dataclass(frozen=True)
class ObjectRun:
    """Runs an object by one set of options. Each method is a part that another process can do."""

    client: Client
    options: ObjectOptions
    listener: Listener = field(default_factory=Listener)
    listener_of: Callable[[Pod], Listener] | None = None
    """Gives each pod a listener of its own, which may say whose line it is; default is the one."""
    is_left: Callable[[], Awaitable[bool]] | None = None
    """Asked when the run is cancelled: whether the object is left for somebody who goes on."""
    watches: Watches | None = None
    """What tells of the object and its pods; by default each object is watched by itself."""

    async def begin(self, resource: Resource, manifest: Manifest) -> Reference:
        """Create the object, or find that of an earlier try. Raises ``PodNotCreated``."""
        options = self.options
        former = await find_former(
            self.client, resource, manifest, options.judgement, options.patience
        )
        for each in former:
            if self.options.durable:
                found = reference_to(each, resource)
                self.listener.info(f"Found {found} of an earlier try; going on with it.")
                return found
            await self._make_room(reference_to(each, resource))
        try:
            made = await make(self.client, resource, manifest, options.patience, self.listener)
        except asyncio.CancelledError:
            # A request whose answer never came may have created it all the same.
            if (unseen := await find_own(self.client, resource, manifest)) is not None:
                await self.delete(reference_to(unseen, resource))
            raise
        return reference_to(made, resource)

    @asynccontextmanager
    async def looked_after(self, of: Reference) -> AsyncIterator[None]:
        """When the block fails or is cancelled, nobody would look after the object: it goes."""
        try:
            yield
        except asyncio.CancelledError:
            is_left = self.is_left is not None and await self.is_left()
            if not is_left and self.options.on_kill is OnKill.DELETE_POD:
                await self.delete(of)
            raise
        except BaseException:
            await self.delete(of)
            raise

    async def watched(self, of: Reference) -> ObjectOutcome:
        """See it to its end, and look after it. Raises ``PodNotObserved``."""
        async with self.looked_after(of):
            return await self.see_to_its_end(of)

    async def see_to_its_end(self, of: Reference) -> ObjectOutcome:
        """From its creation to the verdict, with its pods' logs. Raises ``PodNotObserved``."""
        watches = self.watches or Watches(self.client)
        members = Members(
            self.client,
            watches,
            of,
            self.options.pods,
            self.options.of_pods,
            self.listener,
            self.listener_of or (lambda _: self.listener),
        )
        async with members.seen():
            ending = asyncio.ensure_future(self._end(of, watches))
            try:
                either: set[asyncio.Future[Any]] = {ending, members.failed}
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
                if not ending.done():
                    return await self._give_up(of, members.failed.result())
                manifest, verdict = ending.result()
            finally:
                ending.cancel()
                await asyncio.gather(ending, return_exceptions=True)
            pods = await members.told()
        return _judged(of, manifest, verdict, pods)

    async def delete(self, of: Reference) -> None:
        """Delete it, and its pods as the options say."""
        await delete_object(self.client, of, self.options.propagation, self.listener)

    async def results(self, of: Reference) -> list[str | None]:
        """What its pods that succeeded have handed over, JSON texts, in the order of their indexes.

        Raises ``ResultNotRead``.
        """
        pods = await self._pods(of)
        run = PodRun(self.client, self.options.of_pods, self.listener)
        done = [pod for pod in pods if pod.status.phase == "Succeeded"]
        return [
            await run.read_result(PodView(self.client, pod, self.listener.warning))
            for pod in sorted(done, key=_order)
        ]

    async def clean_up(self, outcome: ObjectOutcome) -> None:
        """Delete what has ended, if it is to be: its pods, or all of it."""
        if outcome.object is None:
            return
        if self.options.delete_finished:
            await self.delete(outcome.of)
        elif self.options.pods and self.options.of_pods.on_finish in _DELETES:
            await self._delete_pods(outcome.of, _DELETES[self.options.of_pods.on_finish])

    async def _pods(self, of: Reference) -> list[Pod]:
        selector = of.selector(self.options.pods)
        try:
            listing = await repeated(
                lambda: self.client.list(PODS, of.namespace, label_selector=selector, type=Pod),
                self.options.patience,
            )
        except KubeError as error:
            raise ResultNotRead(f"The pods of {of} cannot be listed: {error}") from error
        return listing.items

    async def _delete_pods(self, of: Reference, which: str) -> None:
        selector = of.selector(self.options.pods)
        try:
            await repeated(
                lambda: self.client.delete_collection(
                    PODS, of.namespace, label_selector=selector, field_selector=which
                ),
                self.options.patience,
            )
        except KubeError as error:
            self.listener.warning(f"The pods of {of} were not deleted: {error}")

    async def abandon(self, resource: Resource, manifest: Manifest) -> None:
        """Delete what a try has left of which nothing but its manifest is known."""
        found = await find_own(self.client, resource, manifest)
        if found is not None:
            await self.delete(reference_to(found, resource))

    async def _make_room(self, of: Reference) -> None:
        """Delete it, and wait until it is gone, with its pods if they go first."""
        await self.delete(of)
        async with aclosing(Watches(self.client).of_object(of)) as changes:
            async for manifest in changes:
                if manifest is None:
                    return

    async def _give_up(self, of: Reference, pod: Outcome) -> ObjectOutcome:
        await self.delete(of)
        return ObjectOutcome(of=of, sentence=f"Its pod {pod.name} {pod.sentence}")

    async def _end(self, of: Reference, watches: Watches) -> tuple[Manifest | None, Verdict]:
        """The object and its verdict; no object where somebody deleted it."""
        told, last = "", None
        try:
            async with aclosing(watches.of_object(of)) as changes:
                async for manifest in changes:
                    if manifest is None:
                        break
                    if (verdict := verdict_of(manifest, self.options.judgement)) is not None:
                        return manifest, verdict
                    last = manifest
                    told = self._tell_progress(of, last, told)
        except KubeError as error:
            raise PodNotObserved(f"{of} cannot be watched: {error}") from error
        return None, Verdict(False, "somebody deleted it before its work had ended")

    def _tell_progress(self, of: Reference, manifest: Manifest, told: str) -> str:
        words = progress_of(manifest, self.options.judgement)
        if manifest.get("spec", {}).get("suspend"):
            words = "suspended; it starts when a queue such as Kueue's, or somebody, resumes it"
        if words and words != told and self.options.of_pods.tell_startup_events:
            self.listener.info(f"{of}: {words}.")
        return words


def _judged(
    of: Reference, manifest: Manifest | None, verdict: Verdict, pods: list[Outcome]
) -> ObjectOutcome:
    if verdict.succeeded:
        return ObjectOutcome(of=of, object=manifest)
    failed = [pod for pod in pods if not pod.succeeded]
    sentences = [f"It failed: {verdict.words or 'it does not say why'}."]
    if failed:
        pod = failed[-1]
        sentences.append(f"Pod {pod.name}: {pod.sentence}")
    return ObjectOutcome(
        of=of,
        object=manifest,
        sentence=" ".join(sentences),
        exit_codes=tuple(pod.exit_code for pod in failed if pod.exit_code),
    )


def _order(pod: Pod) -> tuple[int, str]:
    index = pod.metadata.annotations.get(_INDEX, "")
    return (int(index) if index.isdecimal() else -1, str(pod.metadata.creation_timestamp))
