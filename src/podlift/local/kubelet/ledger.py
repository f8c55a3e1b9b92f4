"""What is known of one pod, and how others get to see it: status and events."""

from __future__ import annotations

from dataclasses import replace

from podlift.local.kinds import POD
from podlift.local.kubelet.contract import Obj
from podlift.local.kubelet.facts import ContainerFacts, PodFacts, Waiting
from podlift.local.kubelet.recording import NORMAL, WARNING, Recorder, timestamp
from podlift.local.kubelet.status import pod_status
from podlift.local.store import Store

NOT_CREATED = Waiting("ContainerCreating")
NOT_INITIALIZED = Waiting("PodInitializing")


class Ledger:
    """The facts of a pod. Only this class writes the pod's status and events."""

    def __init__(self, store: Store, node: str, pod: Obj) -> None:
        self.pod = pod
        self._store = store
        self._recorder = Recorder(store, node)
        spec = pod["spec"]
        self.facts = PodFacts(
            start_time=timestamp(),
            init={
                one["name"]: ContainerFacts(one["name"], self.not_begun)
                for one in spec.get("initContainers") or ()
            },
            main={
                one["name"]: ContainerFacts(one["name"], self.not_begun)
                for one in spec["containers"]
            },
        )

    @property
    def not_begun(self) -> Waiting:
        """How a container waits that nobody has tried to create."""
        return NOT_INITIALIZED if self.pod["spec"].get("initContainers") else NOT_CREATED

    @property
    def begun(self) -> bool:
        """Whether any container has been created."""
        return any(container.container_id for container in self.facts)

    def find(self, name: str) -> ContainerFacts:
        """What is known of one container."""
        return self.facts.find(name)

    def change(self, **changes: object) -> None:
        """Change facts of the pod."""
        self.facts = replace(self.facts, **changes)  # type: ignore[arg-type]

    def set(self, name: str, **changes: object) -> None:
        """Change facts of one container."""
        changed = replace(self.facts.find(name), **changes)  # type: ignore[arg-type]
        self.facts = self.facts.having(changed)

    def publish(self, condition: Obj | None = None) -> None:
        """Write the status that follows from the facts, and *condition* with it."""
        meta = self.pod["metadata"]

        def change(pod: Obj) -> None:
            if condition is not None:
                _add_condition(pod, condition)
            pod["status"] = pod_status(pod, self.facts, timestamp())

        stored = self._store.modify(POD, meta["namespace"], meta["name"], change, uid=meta["uid"])
        if stored is not None:
            self.pod = stored

    def normal(self, reason: str, message: str, container: str | None = None) -> None:
        """Record an event of what was to be expected."""
        self._recorder.record(self.pod, NORMAL, reason, message, container)

    def warning(self, reason: str, message: str, container: str | None = None) -> None:
        """Record an event of what somebody should look at."""
        self._recorder.record(self.pod, WARNING, reason, message, container)

    def normal_again(self, reason: str, message: str, container: str | None = None) -> None:
        """As :meth:`normal`, for what every new attempt would record again."""
        self._recorder.repeat(self.pod, NORMAL, reason, message, container)

    def warning_again(self, reason: str, message: str, container: str | None = None) -> None:
        """As :meth:`warning`, for what every new attempt finds true again."""
        self._recorder.repeat(self.pod, WARNING, reason, message, container)


def _add_condition(pod: Obj, condition: Obj) -> None:
    conditions = pod.setdefault("status", {}).setdefault("conditions", [])
    if not any(one["type"] == condition["type"] for one in conditions):
        conditions.insert(0, condition | {"lastTransitionTime": timestamp()})
