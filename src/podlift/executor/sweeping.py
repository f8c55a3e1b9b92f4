"""Clearing away pods that nobody holds any more.

They are of two kinds: pods of failed tasks that are kept for a set time, and pods of a scheduler
that died before it could delete them. The watch tells of both; the cluster is not polled. A pod of
a scheduler that lives is never touched, nor one of a task that Airflow still counts on, nor one
that this Airflow knows nothing of: a namespace may be shared. A callback that Airflow still counts
on is gone on with, because Airflow hands over tasks only.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from airflow.configuration import conf
from airflow.models.taskinstancekey import TaskInstanceKey

from podlift.compat import callback_key
from podlift.executor.blueprints import Deployment
from podlift.executor.claiming import Claims, Taken, job_of, owner_of
from podlift.executor.control import Control
from podlift.executor.execution import execution_of
from podlift.executor.keeping import Keeper
from podlift.executor.leftovers import Kind, is_needed, kind_of, retention_of, whose
from podlift.executor.messages import Adopted
from podlift.executor.metadata import Metadata
from podlift.executor.patience import patiently
from podlift.executor.state import Verdict
from podlift.executor.workloads import CALLBACK
from podlift.kube.client import Client
from podlift.kube.errors import Conflict, KubeError, NotFound
from podlift.kube.resources import PODS
from podlift.kube.view import WatchEvent
from podlift.pods.diagnosis import diagnose, has_succeeded
from podlift.pods.labels import Identity
from podlift.pods.reading import Pod, is_finished

logger = logging.getLogger(__name__)

_AT_ONCE = 16
_LOOK_EVERY = 30.0
"""Seconds between two looks at pods whose case is unclear, while there are any, at most."""
_GRACE = 10.0
"""Seconds that an ended pod of ours is left to those who should delete it in the ordinary way."""
_NOT_ASKED_FOR = 0
"""Number of all executions that the scheduler's side has not given one."""
_NOT_NEEDED = "Nobody waits for this pod any more: its scheduler is gone, and its task is over."


@dataclass
class _Known:
    """Pods that no execution holds, by uid, as the watch last told them."""

    ended: dict[str, Pod] = field(default_factory=dict)
    """Our own. When each is due is in ``due``."""
    due: list[tuple[float, str]] = field(default_factory=list)
    unclear: dict[str, Pod] = field(default_factory=dict)
    doubtful: set[str] = field(default_factory=set)
    """Of the unclear ones, those that had not ended and were found not to be needed once."""
    said: set[str] = field(default_factory=set)

    def forget(self, uid: str) -> None:
        self.ended.pop(uid, None)
        self.unclear.pop(uid, None)
        self.doubtful.discard(uid)


class Sweeper:
    """Hears of pods that no execution holds, and removes what may go."""

    def __init__(
        self,
        client: Client,
        control: Control,
        claims: Claims,
        keeper: Keeper,
        deployment: Deployment,
    ) -> None:
        self._client = client
        self._control = control
        self._claims = claims
        self._keeper = keeper
        self._executor_id = deployment.executor_id
        self._team = deployment.team
        self._retention = retention_of(deployment.settings)
        self._metadata = Metadata()
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._known = _Known()
        threshold = conf.getint("scheduler", "scheduler_health_check_threshold")
        self._look_every = min(_LOOK_EVERY, threshold)
        self._next_look = float("inf")

    async def run(self) -> None:
        """Sweep whenever something is due, for ever."""
        while True:
            await self._listen()
            await self._remove_what_is_due()
            if _now() >= self._next_look:
                await self._look_at_the_unclear()

    # Hearing of pods

    async def _listen(self) -> None:
        """Take in what the watch has told; wait for it until something is due."""
        first = min(self._next_look, self._known.due[0][0] if self._known.due else float("inf"))
        wait = None if first == float("inf") else max(0.0, first - _now())
        try:
            async with asyncio.timeout(wait):
                self._note(await self._control.hearing.unheld.get())
        except TimeoutError:
            pass
        while not self._control.hearing.unheld.empty():
            self._note(self._control.hearing.unheld.get_nowait())

    def _note(self, event: WatchEvent[Pod]) -> None:
        pod = event.object
        assert pod is not None
        uid = pod.metadata.uid
        self._known.ended.pop(uid, None)
        self._known.unclear.pop(uid, None)
        if event.kind == "DELETED":
            self._known.forget(uid)
            self._known.said.discard(uid)
            return
        match kind_of(pod, self._executor_id):
            case Kind.OURS:
                self._note_ended(pod)
            case Kind.UNCLEAR:
                self._known.unclear[uid] = pod
                self._next_look = min(self._next_look, _now() + self._look_every)
            case Kind.STRANGE:
                self._say_once(pod, "is not known to be any task's; it is left alone")

    def _note_ended(self, pod: Pod) -> None:
        until = self._retention.until(pod)
        if until is not None:
            due = until.timestamp() if until.timestamp() > _now() else _now() + _GRACE
            self._known.ended[pod.metadata.uid] = pod
            heapq.heappush(self._known.due, (due, pod.metadata.uid))

    def _say_once(self, pod: Pod, what: str) -> None:
        if pod.metadata.uid not in self._known.said:
            self._known.said.add(pod.metadata.uid)
            where = f"{pod.metadata.name} in namespace {pod.metadata.namespace}"
            logger.warning("Pod %s %s.", where, what)

    # Pods of ours that were kept

    async def _remove_what_is_due(self) -> None:
        due = self._known.due
        pods = []
        while due and due[0][0] <= _now():
            pod = self._known.ended.pop(heapq.heappop(due)[1], None)
            if pod is not None and not self._control.holds(pod):
                pods.append(pod)
        await asyncio.gather(*map(self._remove, pods))

    async def _remove(self, pod: Pod) -> None:
        name, namespace, uid = pod.metadata.name, pod.metadata.namespace, pod.metadata.uid
        delete = partial(self._client.delete, PODS, name, namespace, uid=uid)
        try:
            async with self._slots:
                await patiently(delete, f"Removing pod {name}")
        except (NotFound, Conflict):
            return
        except KubeError as error:
            self._say_once(pod, f"cannot be removed: {error}")

    # Pods of schedulers that are gone

    async def _look_at_the_unclear(self) -> None:
        """Ask Airflow's database which of the unclear pods nobody needs, and clear those away."""
        known = self._known
        for uid in [uid for uid, pod in known.unclear.items() if self._control.holds(pod)]:
            known.forget(uid)
        abandoned = await self._abandoned(known.unclear.values())
        awaited = await self._awaited(abandoned)
        await asyncio.gather(*map(self._adopt, awaited.values()))
        others = [pod for pod in abandoned if pod.metadata.uid not in awaited]
        await asyncio.gather(*map(self._clear_away, await self._not_needed(others)))
        self._next_look = _now() + self._look_every if known.unclear else float("inf")

    async def _abandoned(self, pods: Iterable[Pod]) -> list[Pod]:
        """Those whose scheduler does not live, and those of ours that we do not hold."""
        pods = list(pods)
        owners = {owner_of(pod) for pod in pods} - {self._executor_id}
        jobs = {job for owner in owners if (job := job_of(owner)) is not None}
        alive = await self._metadata.live_jobs(jobs) if jobs else frozenset()
        return [
            pod
            for pod in pods
            if owner_of(pod) == self._executor_id or job_of(owner_of(pod)) not in alive
        ]

    async def _awaited(self, pods: list[Pod]) -> dict[str, Pod]:
        """Pods of callbacks that Airflow has not heard the end of, by uid."""
        callbacks = {_identity(pod).ti_id: pod for pod in pods if self._is_callback(pod)}
        if not callbacks:
            return {}
        awaited = await self._metadata.awaited_callbacks(callbacks)
        return {pod.metadata.uid: pod for id_, pod in callbacks.items() if id_ in awaited}

    def _is_callback(self, pod: Pod) -> bool:
        identity = _identity(pod)
        ours = identity.workload == CALLBACK and identity.team == self._team
        return ours and owner_of(pod) != self._executor_id

    async def _adopt(self, pod: Pod) -> None:
        """Go on with a callback: Airflow hands over tasks only, and nobody else would report it."""
        self._known.forget(pod.metadata.uid)
        try:
            pod = await self._claims.claim(pod)
        except (NotFound, Taken):
            return
        key = callback_key(_identity(pod).ti_id)
        self._control.notify(Adopted(_NOT_ASKED_FOR, key))
        self._control.adopt(execution_of(_NOT_ASKED_FOR, key, pod), pod)

    async def _not_needed(self, pods: list[Pod]) -> list[Pod]:
        by_kind: defaultdict[str, dict[str, Pod]] = defaultdict(dict)
        for pod in pods:
            by_kind[_identity(pod).workload][pod.metadata.uid] = pod
        found = []
        for kind, some in by_kind.items():
            ids = {_identity(pod).ti_id for pod in some.values()}
            known = await self._metadata.known(kind, ids)
            tasks = await self._metadata.task_states(ids) if kind == "task" else {}
            for pod in some.values():
                identity = _identity(pod)
                if identity.ti_id not in known:
                    self._known.forget(pod.metadata.uid)
                    self._say_once(pod, "is of a task that Airflow does not know; it is left alone")
                elif not is_needed(pod, identity, tasks.get(identity.ti_id)):
                    found.append(pod)
        return [pod for pod in found if self._is_certain(pod)]

    def _is_certain(self, pod: Pod) -> bool:
        """A pod that has not ended may be about to: whether it was found like this before."""
        if is_finished(pod) or pod.metadata.uid in self._known.doubtful:
            return True
        self._known.doubtful.add(pod.metadata.uid)
        return False

    async def _clear_away(self, pod: Pod) -> None:
        """Make the pod ours, so that nobody else does this too; keep its log; remove it in time."""
        self._known.forget(pod.metadata.uid)
        if is_finished(pod) and self._retention.until(pod) is None:
            return  # kept for ever: nobody has to take it over for that
        try:
            pod = await self._claims.claim(pod)
        except (NotFound, Taken):
            return
        await self._keeper.keep(execution_of(0, _key(_identity(pod)), pod), _verdict(pod))
        until = self._retention.until(pod)
        if not is_finished(pod) or (until is not None and until.timestamp() <= _now()):
            await self._remove(pod)
        # Else the watch has told of it again by now: as one of ours.


def _now() -> float:
    return datetime.now(UTC).timestamp()


def _identity(pod: Pod) -> Identity:
    identity = whose(pod)
    assert identity is not None  # all others are strange
    return identity


def _key(identity: Identity) -> TaskInstanceKey:
    return TaskInstanceKey(
        dag_id=identity.dag_id,
        task_id=identity.task_id,
        run_id=identity.run_id,
        try_number=identity.try_number,
        map_index=identity.map_index,
    )


def _verdict(pod: Pod) -> Verdict:
    if not is_finished(pod):
        return Verdict(False, _NOT_NEEDED)
    if has_succeeded(pod):
        return Verdict(True)
    return Verdict(False, str(diagnose(pod) or "The pod ended without an exit code of its task."))
