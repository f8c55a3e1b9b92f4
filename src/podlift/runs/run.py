"""One run of one pod, put together from its phases."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

from msgspec.structs import replace

from podlift.kube import Client
from podlift.pods.plain import Manifest
from podlift.pods.reading import Pod, has_started
from podlift.runs.cleaning import delete, is_to_be_deleted
from podlift.runs.creating import create
from podlift.runs.ending import wait_for_end
from podlift.runs.finding import find, has_forerunners, mark_judged
from podlift.runs.following import tail_of
from podlift.runs.listening import Listener, Moment
from podlift.runs.noting import note_in_time, noted, noting
from podlift.runs.options import OnKill, RunOptions
from podlift.runs.outcome import Outcome, not_started, outcome_of
from podlift.runs.positions import Places
from podlift.runs.relaunching import Launch
from podlift.runs.results import read_result
from podlift.runs.sidecar import FILE
from podlift.runs.starting import wait_for_start
from podlift.runs.telling_logs import LogsOfPod, untold
from podlift.runs.watching import PodView, Watch

_LINES_OF_FAILED, _LINES_OF_OTHERS = 50, 10


@dataclass
class End:
    """How a pod came to its end, as far as it is known."""

    succeeded: bool = False


@dataclass(frozen=True)
class PodRun:
    """Runs pods by one set of options. Each method is a part that another process can take over."""

    client: Client
    options: RunOptions
    listener: Listener = field(default_factory=Listener)
    watch: Watch | None = None
    """What tells of the pods; by default each is watched by itself."""
    is_left: Callable[[], Awaitable[bool]] | None = None
    """Asked when the run is cancelled: whether its pod is left for somebody who goes on with it."""

    async def run(self, manifest: Manifest) -> Outcome:
        """All of it: create, see it to its end, clean up; again for what was not the task's fault.

        A pod that has not ended is deleted when this fails or is cancelled, because nobody would
        look after it any more; unless it is to be kept when somebody ends the task, or is left.
        Raises ``PodNotCreated``, ``PodNotObserved`` or ``ResultNotRead``.
        """
        launch, pod = await self.begin(manifest)
        while True:
            outcome = await self._see_through(launch, pod)
            following = launch.after(outcome)
            if following is None:
                return outcome
            self.listener.warning(f"{outcome.sentence} Another pod is started.")
            launch, pod = following, await self.create(following.manifest)
            async with self.looked_after(self.view(pod)):
                await self.listener.reached(Moment.CREATED, pod)

    async def begin(self, manifest: Manifest) -> tuple[Launch, Pod]:
        """The pod that an earlier try left behind, if there is one; else a new one.

        Never a second one beside the first: what is not gone on with is deleted before. Raises
        ``PodNotCreated``.
        """
        launch = Launch(manifest, self.options)
        patience = self.options.schedule_timeout
        pod: Pod | None = None
        if has_forerunners(manifest):
            pod, others = await find(
                self.client, manifest, patience, self.listener, durable=self.options.durable
            )
            for other in others:
                await self._make_room(self.view(other))
        if pod is None:
            pod = await self.create(manifest)
        else:
            self.listener.info(
                f"Found pod {pod.metadata.namespace}/{pod.metadata.name}, which an earlier worker "
                "of the task left running; going on with it."
            )
            launch = launch.at(pod)
        async with self.looked_after(self.view(pod)):
            await self.listener.reached(Moment.CREATED, pod)
        return launch, pod

    async def start_another(self, launch: Launch, view: PodView, outcome: Outcome) -> Pod:
        """The pod of a launch, in the place of one whose end was not the task's fault.

        Raises ``PodNotCreated``.
        """
        self.listener.warning(f"{outcome.sentence} Another pod is started.")
        await self._make_room(view)
        return await self.create(launch.manifest)

    async def abandon(self, manifest: Manifest) -> None:
        """Clean up after a try of which nothing but its manifest is known."""
        patience = self.options.schedule_timeout
        pod, others = await find(self.client, manifest, patience, self.listener, durable=True)
        for each in filter(None, (pod, *others)):
            await self.clean_up(self.view(each), succeeded=False)

    async def tell_logs(self, view: PodView) -> None:
        """Tell what the containers wrote until now."""
        logs = LogsOfPod(self.client, view, self.options, self.listener)
        async with view.kept_current(), logs:
            await logs.told()

    async def _see_through(self, launch: Launch, pod: Pod) -> Outcome:
        view, places = self.view(pod), noted(pod)
        async with self.looked_after(view, places, at_the_end=True) as end:
            outcome = await self.see_to_its_end(view, places)
            end.succeeded = outcome.succeeded
            if launch.after(outcome) is not None:
                await self._make_room(view)
            return outcome

    @asynccontextmanager
    async def looked_after(
        self, view: PodView, places: Places | None = None, *, at_the_end: bool = False
    ) -> AsyncIterator[End]:
        """Clean up after the block; where it is no end, only if it fails or is cancelled."""
        end = End()
        try:
            yield end
        except asyncio.CancelledError:
            if not await self._stays(view, places or {}):
                await self.clean_up(view, succeeded=False)
            raise
        except BaseException:
            await self.clean_up(view, succeeded=end.succeeded)
            raise
        if at_the_end:
            await self.clean_up(view, succeeded=end.succeeded)

    async def _stays(self, view: PodView, places: Places) -> bool:
        """Whether the pod stays now that the run is cancelled."""
        if self.is_left is not None and await self.is_left():
            await note_in_time(self.client, view.pod, places, self.listener)
            return True
        return self.options.on_kill is OnKill.KEEP_POD

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

    async def see_to_its_end(self, view: PodView, places: Places | None = None) -> Outcome:
        """From the start to the verdict, with the logs. Raises ``PodNotObserved``.

        ``places`` says up to where the logs were told before, and is kept current.
        """
        places = {} if places is None else places
        async with view.kept_current(), self._noting(view, places):
            async with LogsOfPod(self.client, view, self.options, self.listener, places) as logs:
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
        elif not view.gone:
            await mark_judged(self.client, view.pod, self.listener)
        await self.listener.reached(Moment.CLEANED_UP, view.pod)

    def _noting(self, view: PodView, places: Places) -> AbstractAsyncContextManager[None]:
        every = self.options.note_every
        return noting(self.client, view.pod, places, every, self.listener)

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
        await self._tell_last_lines(end, outcome)
        if self.options.tell_failure_events:
            for event in sorted(view.events, key=lambda each: each.last_seen):
                if event.type == "Warning":
                    self.listener.warning(f"Event {event.reason}: {event.message}")
        return outcome

    async def _tell_last_lines(self, pod: Pod, outcome: Outcome) -> None:
        """What containers said at last whose logs were not told: they may know why."""
        if not self.options.logs_of:
            return
        failed = outcome.diagnosis.container if outcome.diagnosis else None
        name, namespace = pod.metadata.name, pod.metadata.namespace
        for container in untold(pod, self.options):
            number = _LINES_OF_FAILED if container == failed else _LINES_OF_OTHERS
            for line in await tail_of(self.client, name, namespace, container, number):
                self.listener.line(container, line)
