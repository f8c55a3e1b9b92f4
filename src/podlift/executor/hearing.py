"""What the watch tells of pods, brought to the executions that it concerns."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from podlift.executor.blueprints import Blueprints, Deployment
from podlift.executor.execution import Execution
from podlift.executor.observations import PodGone
from podlift.executor.state import State
from podlift.executor.tasks import Tasks
from podlift.executor.viewing import see
from podlift.kube.view import WatchEvent
from podlift.pods.labels import EXECUTOR, LAUNCH, adoptions_of, identity_of
from podlift.pods.reading import Pod, is_deleted

if TYPE_CHECKING:
    from podlift.executor.control import Control


class Hearing:
    """Listens for one ``Control``."""

    def __init__(
        self, control: Control, tasks: Tasks, blueprints: Blueprints, deployment: Deployment
    ) -> None:
        settings = deployment.settings
        self._control = control
        self._tasks = tasks
        self._blueprints = blueprints
        self._executor_id = deployment.executor_id
        self._seal = settings.seal_secret_name
        self._fatal = frozenset(settings.worker_pod_pending_fatal_container_state_reasons)
        self.unheld: asyncio.Queue[WatchEvent[Pod]] = asyncio.Queue()
        """What the watch tells of pods that no execution holds, for whoever clears them away."""

    def watched(self, event: WatchEvent[Pod]) -> None:
        """Something happened to a pod that Podlift manages: maybe one of ours."""
        pod = event.object
        if pod is None:
            self._tasks.spawn(self._control.errands.look_for_the_unseen())
            return
        self._heed(event, pod)
        if not self._control.holds(pod):
            self.unheld.put_nowait(event)

    def _heed(self, event: WatchEvent[Pod], pod: Pod) -> None:
        execution = self._control.holder_of(pod)
        if execution is None:
            self._other_pod(event, pod)
        elif not self._is_ours(execution, pod):
            self._control.release(execution)
        elif not _is_present(execution, pod):
            pass  # the last of a pod whose place another one has taken
        elif event.kind == "DELETED":
            self._last_seen(execution, pod)
            self._control.observe(execution, PodGone(pod.metadata.uid))
        else:
            self.see(execution, pod)

    def _other_pod(self, event: WatchEvent[Pod], pod: Pod) -> None:
        """A pod of an earlier execution: it matters if the present one waits for it to go."""
        identity = identity_of(pod)
        execution = self._control.latest(identity.ti_id) if identity else None
        if execution is None or execution.record.uid != pod.metadata.uid:
            return
        gone = event.kind == "DELETED"
        now = asyncio.get_running_loop().time()
        self._control.observe(execution, PodGone(pod.metadata.uid) if gone else see(pod, now))

    def _is_ours(self, execution: Execution, pod: Pod) -> bool:
        # A pod whose annotations somebody took away has no other owner than us.
        own = self._executor_id
        if pod.metadata.annotations.get(EXECUTOR, own) == own:
            return True
        return adoptions_of(pod) < execution.adoptions  # from before we took it over

    def see(self, execution: Execution, pod: Pod) -> None:
        """The execution's pod looks like this now."""
        if execution.pod is None:
            self._control.accounts.first_seen(execution)
        self._last_seen(execution, pod)
        now = asyncio.get_running_loop().time()
        seen = see(pod, now, execution.events, self._fatal)
        self._control.observe(execution, seen)
        if seen.trouble and self._seal in seen.trouble.sentence:
            self._tasks.spawn(self._blueprints.restore_key(pod.metadata.namespace))
        if is_deleted(pod) and execution.record.state is State.RUNNING:
            self._control.keeper.follow(execution)  # its log goes with it

    def _last_seen(self, execution: Execution, pod: Pod) -> None:
        if execution.record.uid in ("", pod.metadata.uid):
            execution.pod = pod


def _is_present(execution: Execution, pod: Pod) -> bool:
    """Whether it is the pod of the execution's present launch."""
    present = str(execution.record.launch)
    return pod.metadata.annotations.get(LAUNCH, present) == present
