"""Taking over the pods that another scheduler left behind."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable, Coroutine, Iterable, Mapping
from functools import partial
from typing import Any

from podlift.executor.blueprints import Deployment
from podlift.executor.claiming import Claims, Taken, job_of, owner_of
from podlift.executor.control import Control
from podlift.executor.execution import (
    EXECUTION,
    Execution,
    execution_of,
    grown_of,
    replaced_of,
)
from podlift.executor.inheriting import INHERITED_PODS, inherited
from podlift.executor.messages import Adopt, Dropped, Notice, Orphan, Revoke
from podlift.executor.metadata import Metadata
from podlift.executor.observations import FoundQueued
from podlift.executor.patience import patiently
from podlift.executor.state import Again, Record, State, Verdict
from podlift.exit_codes import ExitCode
from podlift.kube.client import Client
from podlift.kube.errors import Forbidden, NotFound
from podlift.kube.resources import PODS
from podlift.pods.building import BASE
from podlift.pods.causes import Cause
from podlift.pods.diagnosis import has_succeeded
from podlift.pods.labels import TI_ID, Identity, identity_of, selector_for
from podlift.pods.reading import Pod, exit_code, is_finished

logger = logging.getLogger(__name__)

_NO_POD = "The scheduler that had this task is gone, and there is no pod of it."
_POD_LOST = "The scheduler that had this task is gone, and so is the task's pod."
_PAGE = 100
"""Pods in one answer. To decode it is one step, in which the scheduler's thread cannot go on: a
millisecond for so many, six for five times as many."""
_DISPUTE_LOOKS = 60
"""How often the database is asked, a second apart, whose a task instance is. Airflow's transaction
that gives it to us ends soon after we have said that we take it."""

Marks = Mapping[str, Mapping[str, str]]
"""Labels and annotations by which Podlift knows a pod, where it does not have them yet."""


class Adopter:
    """Finds orphans' pods and makes them this executor's, each of them once."""

    def __init__(
        self,
        client: Client,
        control: Control,
        claims: Claims,
        deployment: Deployment,
        notify: Callable[[Notice], None],
    ) -> None:
        self._client = client
        self._control = control
        self._claims = claims
        self._deployment = deployment
        self._namespaces = deployment.settings.namespaces or (None,)
        self._executor_id = deployment.executor_id
        self._job = job_of(deployment.executor_id)
        self._metadata = Metadata()
        self._notify = notify
        self._under_way: dict[int, Orphan] = {}

    def adopt(self, request: Adopt) -> Coroutine[Any, Any, None]:
        """Take all of them over, several at once.

        They can be taken back from this call on, whenever what it returns is run.
        """
        orphans = {orphan.ti_id: orphan for orphan in request.orphans}
        self._under_way |= {orphan.number: orphan for orphan in orphans.values()}
        return self._adopt(orphans)

    async def _adopt(self, orphans: Mapping[str, Orphan]) -> None:
        pods = await self._find(orphans)
        await asyncio.gather(*(self._take_over(each, pods) for each in orphans.values()))

    def revoke(self, request: Revoke) -> None:
        """The scheduler takes a task back whose pod we may be about to take over."""
        for orphan in list(self._under_way.values()):
            if orphan.ti_id == request.ti_id:
                del self._under_way[orphan.number]

    # Finding

    async def _find(self, wanted: Mapping[str, Orphan]) -> dict[str, tuple[Pod, Marks]]:
        """The pod of each task instance that has one, by its id."""
        ours: list[Pod] = []
        for namespace in self._namespaces:
            ours += await self._list(namespace, selector_for(), Pod)
        found: dict[str, tuple[Pod, Marks]] = {
            ti_id: (pod, {}) for ti_id, pod in _newest(ours, wanted).items()
        }
        missing = [orphan for ti_id, orphan in wanted.items() if ti_id not in found]
        if missing:
            found |= await self._find_inherited(missing)
        return found

    async def _find_inherited(self, orphans: list[Orphan]) -> dict[str, tuple[Pod, Marks]]:
        """Pods that Airflow's standard executor made before Podlift took its place."""
        pods: list[dict[str, Any]] = []
        for namespace in self._namespaces:
            pods += await self._list(namespace, INHERITED_PODS, dict)
        return inherited(pods, orphans)

    async def _list(self, namespace: str | None, selector: str, kind: Any) -> list[Any]:
        ask = partial(
            self._client.list, PODS, namespace, label_selector=selector, limit=_PAGE, type=kind
        )
        try:
            return (await patiently(ask, "Looking for pods to adopt")).items
        except (Forbidden, NotFound) as error:
            # Nor could we watch a pod there. The tasks of other namespaces are not to wait for it.
            logger.warning("No pods are adopted in namespace %s: %s", namespace or "*", error)
            return []

    # Taking over

    async def _take_over(self, orphan: Orphan, pods: Mapping[str, tuple[Pod, Marks]]) -> None:
        if orphan.ti_id not in pods:
            self._revive(orphan, without_pod())
            return
        pod, marks = pods[orphan.ti_id]
        if _of_a_former_execution(pod, orphan) or self._control.is_done_with(pod):
            self._revive(orphan, without_pod(_launch_of(pod)))
            return
        try:
            pod = await self._claim(orphan, pod, marks)
        except NotFound:
            self._revive(orphan, after_lost_pod(pod))
            return
        except Taken as taken:
            logger.info("%s: %s", orphan.key, taken)
            self._under_way.pop(orphan.number, None)
            self._notify(Dropped(orphan.number, orphan.key))
            return
        self._control.adopt(execution_of(orphan.number, orphan.key, pod), pod)
        held = self._control.holder_of(pod)
        if orphan.queued and held is not None and held is self._control.latest(orphan.ti_id):
            self._control.observe(held, FoundQueued())
        if self._under_way.pop(orphan.number, None) is None:  # taken back in the meantime
            self._control.revoke(Revoke(orphan.ti_id))

    def _revive(self, orphan: Orphan, record: Record) -> None:
        """There is no pod in which it could go on: have it started in another one."""
        if self._under_way.pop(orphan.number, None) is not None:
            self._control.revive(execution_without_pod(orphan, record, self._deployment))

    async def _claim(self, orphan: Orphan, pod: Pod, marks: Marks) -> Pod:
        owner = owner_of(pod)
        if owner == self._executor_id:
            return pod
        if job_of(owner) in (None, orphan.left_by) or await self._is_ours(orphan, owner):
            try:
                return await self._claims.claim(pod, marks)
            except Taken as taken:
                return await self._claim(orphan, taken.pod, marks)
        raise Taken(pod)

    async def _is_ours(self, orphan: Orphan, rival: str) -> bool:
        """Ask Airflow's database which of two schedulers a task instance belongs to.

        Its rows decide, because Airflow only listens to the scheduler that is named there.
        """
        if self._job is None:  # not one of Airflow's schedulers: whoever came first has it
            return False
        for _ in range(_DISPUTE_LOOKS):
            found = (await self._metadata.task_states([orphan.ti_id])).get(orphan.ti_id)
            if found is None or found.job_id in (self._job, job_of(rival)):
                break
            await asyncio.sleep(1.0)
        return found is not None and found.job_id == self._job


def without_pod(launch: int = 0) -> Record:
    """An execution that never had a pod; that with this launch number was not its own."""
    return Record(
        state=State.REQUEUEING,
        launch=launch,
        verdict=Verdict(False, _NO_POD, Cause.VANISHED),
        again=Again.BEGIN,
        ended=True,
    )


def after_lost_pod(pod: Pod) -> Record:
    """An execution whose pod has vanished while nobody looked."""
    return Record(
        state=State.REQUEUEING,
        launch=_launch_of(pod),
        replaced=replaced_of(pod),
        grown=grown_of(pod),
        verdict=Verdict(False, _POD_LOST, Cause.VANISHED),
        again=Again.REPLACE,
        ended=True,
    )


def execution_without_pod(orphan: Orphan, record: Record, deployment: Deployment) -> Execution:
    """The orphan's execution, which waits for Airflow to let it begin."""
    dag_id, task_id, run_id, try_number, map_index = orphan.key
    return Execution(
        id=uuid.uuid4().hex,
        number=orphan.number,
        key=orphan.key,
        whose=Identity(
            dag_id=dag_id,
            task_id=task_id,
            run_id=run_id,
            ti_id=orphan.ti_id,
            try_number=try_number,
            map_index=map_index,
            team=deployment.team,
        ),
        parts=(dag_id, task_id),
        namespace=deployment.settings.namespace,
        log_path=None,  # what is not known here comes with its workload
        record=record,
    )


def _newest(pods: Iterable[Pod], wanted: Mapping[str, Orphan]) -> dict[str, Pod]:
    """For each task instance the pod of its last launch, which is the one that counts."""
    newest: dict[str, tuple[int, Pod]] = {}
    for pod in pods:
        annotations = pod.metadata.annotations
        if annotations.get(TI_ID) not in wanted or EXECUTION not in annotations:
            continue
        identity = identity_of(pod)
        if identity is None:
            continue
        known = newest.get(identity.ti_id)
        if known is None or identity.launch > known[0]:
            newest[identity.ti_id] = identity.launch, pod
    return {ti_id: pod for ti_id, (_, pod) in newest.items()}


def _launch_of(pod: Pod) -> int:
    identity = identity_of(pod)
    return identity.launch if identity else 0


def _of_a_former_execution(pod: Pod, orphan: Orphan) -> bool:
    """Whether the task instance was queued again after this pod had done its part.

    A worker ends with success once Airflow knows what became of its task. One that is still queued
    then was deferred or rescheduled meanwhile, and its next pod was never made. Nor does a failed
    task stay queued: Airflow took it back just when it began, and has not let it end.
    """
    ended = has_succeeded(pod) or (is_finished(pod) and exit_code(pod, BASE) == ExitCode.FAILED)
    return orphan.queued and ended
