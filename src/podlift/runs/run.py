"""One run of one pod, put together from its phases."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from msgspec.structs import replace

from podlift.kube import Client
from podlift.pods.plain import Manifest
from podlift.pods.reading import Pod, has_started
from podlift.runs.cleaning import delete, is_to_be_deleted
from podlift.runs.creating import create
from podlift.runs.ending import wait_for_end
from podlift.runs.following import tail_of
from podlift.runs.listening import Listener, Moment
from podlift.runs.options import OnKill, RunOptions
from podlift.runs.outcome import Outcome, not_started, outcome_of
from podlift.runs.relaunching import Launch
from podlift.runs.results import read_result
from podlift.runs.sidecar import FILE
from podlift.runs.starting import wait_for_start
from podlift.runs.telling_logs import LogsOfPod
from podlift.runs.watching import PodView, Watch

_INIT_LOG_LINES = 50


@dataclass(frozen=True)
class PodRun:
    """Runs pods by one set of options. Each method is a part that another process can take over."""

    client: Client
    options: RunOptions
    listener: Listener = field(default_factory=Listener)
    watch: Watch | None = None
    """What tells of the pods; by default each is watched by itself."""

    async def run(self, manifest: Manifest) -> Outcome:
        """All of it: create, see it to its end, clean up; again for what was not the task's fault.

        A pod that has not ended is deleted when this fails or is cancelled, because nobody would
        look after it any more; unless it is to be kept when somebody ends the task.
        Raises ``PodNotCreated``, ``PodNotObserved`` or ``ResultNotRead``.
        """
        launch = Launch(manifest, self.options)
        while True:
            outcome = await self._launch(launch)
            following = launch.after(outcome)
            if following is None:
                return outcome
            self.listener.warning(f"{outcome.sentence} Another pod is started.")
            launch = following

    async def _launch(self, launch: Launch) -> Outcome:
        pod = await self.create(launch.manifest)
        view = self.view(pod)
        succeeded, kept = False, False
        try:
            await self.listener.reached(Moment.CREATED, pod)
            outcome = await self.see_to_its_end(view)
            succeeded = outcome.succeeded
            if launch.after(outcome) is not None:
                await self._make_room(view)
            return outcome
        except asyncio.CancelledError:
            kept = self.options.on_kill is OnKill.KEEP_POD
            raise
        finally:
            if not kept:
                await self.clean_up(view, succeeded=succeeded)

    async def _make_room(self, view: PodView) -> None:
        """See the pod gone, whose name the next one may have."""
        if view.gone:
            return
        async with view.kept_current():
            await delete(self.client, view.pod, self.listener, self.options.grace_period)
            while not view.gone:
                await view.change()

    def view(self, pod: Pod) -> PodView:
        """What is known of the pod, to be kept current by ``see_to_its_end``."""
        return PodView(self.client, pod, self.listener.warning, self.watch)

    async def create(self, manifest: Manifest) -> Pod:
        """Create the pod, or find the one of this try. Raises ``PodNotCreated``."""
        patience = self.options.schedule_timeout
        return await create(self.client, manifest, patience, self.listener)

    async def see_to_its_end(self, view: PodView) -> Outcome:
        """From the start to the verdict, with the logs. Raises ``PodNotObserved``."""
        async with view.kept_current():
            async with LogsOfPod(self.client, view, self.options, self.listener) as logs:
                waited = await wait_for_start(view, self.options, self.listener)
                if waited is not None:
                    return not_started(view.pod, view.events, self.options.base, waited)
                # What becomes of the pod after its end, a deletion say, changes no verdict.
                end = await self._ends(view)
                await logs.told()
            await self.listener.reached(Moment.COMPLETED, end)
            outcome = await self._judge(view, end)
            if self.options.result and outcome.succeeded:
                return replace(outcome, result=await self.read_result(view))
            return outcome

    async def read_result(self, view: PodView) -> str | None:
        """The result that the base container left, as JSON text. Raises ``ResultNotRead``."""
        result = await read_result(self.client, view)
        if result is None:
            self.listener.warning(f"There is no result: {FILE} is missing or empty.")
        return result

    async def clean_up(self, view: PodView, *, succeeded: bool) -> None:
        """Delete the pod if the options say so, or if it has not ended."""
        await self.listener.reached(Moment.TEARDOWN, view.pod)
        if not view.gone and is_to_be_deleted(view.pod, self.options, succeeded=succeeded):
            await delete(self.client, view.pod, self.listener, self.options.grace_period)
        await self.listener.reached(Moment.CLEANED_UP, view.pod)

    async def _ends(self, view: PodView) -> Pod:
        if has_started(view.pod, self.options.base):
            await self.listener.reached(Moment.STARTED, view.pod)
            await wait_for_end(view, self.options.base, self.listener)
        return view.pod

    async def _judge(self, view: PodView, end: Pod) -> Outcome:
        base = self.options.base
        outcome = outcome_of(end, view.events, base, gone=view.gone)
        if outcome.succeeded:
            self.listener.info(f"Container {base!r} ended with exit code 0.")
            return outcome
        await view.refresh_events()
        outcome = outcome_of(end, view.events, base, gone=view.gone)
        await self._tell_init_log(end, outcome)
        if self.options.tell_failure_events:
            for event in sorted(view.events, key=lambda each: each.last_seen):
                if event.type == "Warning":
                    self.listener.warning(f"Event {event.reason}: {event.message}")
        return outcome

    async def _tell_init_log(self, pod: Pod, outcome: Outcome) -> None:
        """The init container that failed says why, unless its whole log was told."""
        container = outcome.diagnosis.container if outcome.diagnosis else None
        if container in (None, self.options.base) or not self.options.logs_of:
            return
        told = self.options.init_logs_of
        if told is True or container in told:
            return
        assert container is not None
        metadata = pod.metadata
        for line in await tail_of(
            self.client, metadata.name, metadata.namespace, container, _INIT_LOG_LINES
        ):
            self.listener.line(container, line)
