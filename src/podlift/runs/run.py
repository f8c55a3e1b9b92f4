"""One run of one pod, put together from its phases."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from podlift.kube import Client
from podlift.pods.plain import Manifest
from podlift.pods.reading import Pod, has_started
from podlift.runs.cleaning import delete, is_to_be_deleted
from podlift.runs.creating import create
from podlift.runs.ending import wait_for_end
from podlift.runs.following import LogFollower, tail_of
from podlift.runs.listening import Listener, Moment
from podlift.runs.options import RunOptions
from podlift.runs.outcome import Outcome, not_started, outcome_of
from podlift.runs.starting import wait_for_start
from podlift.runs.watching import PodView

_INIT_LOG_LINES = 50


@dataclass(frozen=True)
class PodRun:
    """Runs pods by one set of options. Each method is a part that another process can take over."""

    client: Client
    options: RunOptions
    listener: Listener = field(default_factory=Listener)

    async def run(self, manifest: Manifest) -> Outcome:
        """All of it: create, see it to its end, clean up.

        A pod that has not ended is deleted when this fails or is cancelled, because nobody would
        look after it any more. Raises ``PodNotCreated`` or ``PodNotObserved``.
        """
        pod = await self.create(manifest)
        view = PodView(self.client, pod, self.listener.warning)
        succeeded = False
        try:
            outcome = await self.see_to_its_end(view)
            succeeded = outcome.succeeded
            return outcome
        finally:
            await self.clean_up(view, succeeded=succeeded)

    async def create(self, manifest: Manifest) -> Pod:
        """Create the pod, or find the one of this try. Raises ``PodNotCreated``."""
        pod = await create(self.client, manifest, self.options.startup_timeout, self.listener)
        await self.listener.reached(Moment.CREATED, pod)
        return pod

    async def see_to_its_end(self, view: PodView) -> Outcome:
        """From the start to the verdict, with the log. Raises ``PodNotObserved``."""
        async with view.kept_current():
            if not await self._starts(view):
                timeout = self.options.startup_timeout
                return not_started(view.pod, view.events, self.options.base, timeout)
            # What becomes of the pod after its end, a deletion say, changes no verdict.
            end = await self._ends(view)
            await self.listener.reached(Moment.COMPLETED, end)
            return await self._judge(view, end)

    async def clean_up(self, view: PodView, *, succeeded: bool) -> None:
        """Delete the pod if the options say so, or if it has not ended."""
        if not view.gone and is_to_be_deleted(view.pod, self.options, succeeded=succeeded):
            await delete(self.client, view.pod, self.listener)
        await self.listener.reached(Moment.CLEANED_UP, view.pod)

    async def _starts(self, view: PodView) -> bool:
        options = self.options
        known = await wait_for_start(view, options.base, options.startup_timeout, self.listener)
        if has_started(view.pod, options.base):
            await self.listener.reached(Moment.STARTED, view.pod)
        return known

    async def _ends(self, view: PodView) -> Pod:
        if not has_started(view.pod, self.options.base):
            return view.pod
        ended = asyncio.Event()
        following = asyncio.ensure_future(self._follow(view, ended))
        try:
            await wait_for_end(view, self.options.base, self.listener)
            end = view.pod
            ended.set()
            await following
            return end
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    async def _follow(self, view: PodView, ended: asyncio.Event) -> None:
        if not self.options.get_logs:
            return
        base, metadata = self.options.base, view.pod.metadata
        follower = LogFollower(
            self.client,
            metadata.name,
            metadata.namespace,
            base,
            lambda line: self.listener.line(base, line),
            self.listener.warning,
        )
        await follower.follow(ended)

    async def _judge(self, view: PodView, end: Pod) -> Outcome:
        outcome = outcome_of(end, view.events, self.options.base, gone=view.gone)
        if outcome.succeeded:
            self.listener.info(f"Container {self.options.base!r} ended with exit code 0.")
            return outcome
        await view.refresh_events()
        outcome = outcome_of(end, view.events, self.options.base, gone=view.gone)
        await self._tell_init_log(end, outcome)
        for event in sorted(view.events, key=lambda each: each.last_seen):
            if event.type == "Warning":
                self.listener.warning(f"Event {event.reason}: {event.message}")
        return outcome

    async def _tell_init_log(self, pod: Pod, outcome: Outcome) -> None:
        container = outcome.diagnosis.container if outcome.diagnosis else None
        if not self.options.get_logs or container in (None, self.options.base):
            return
        assert container is not None
        metadata = pod.metadata
        for line in await tail_of(
            self.client, metadata.name, metadata.namespace, container, _INIT_LOG_LINES
        ):
            self.listener.line(container, line)
