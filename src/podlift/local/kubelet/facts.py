"""What is known of a pod's processes: plain data, from which its status follows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

#: Why a container has an exit code although nobody saw it end; as the real kubelet says it.
STATUS_UNKNOWN = "ContainerStatusUnknown"
STATUS_UNKNOWN_MESSAGE = "The container could not be located when the pod was terminated"


@dataclass(frozen=True, slots=True)
class Waiting:
    """Not running yet, or not again."""

    reason: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class Running:
    """Its process was started at ``started_at`` (RFC 3339, whole seconds)."""

    started_at: str


@dataclass(frozen=True, slots=True)
class Terminated:
    """Its process ended, or could not be started (``StartError``)."""

    exit_code: int
    reason: str
    message: str = ""
    started_at: str | None = None
    finished_at: str | None = None
    container_id: str = ""


State = Waiting | Running | Terminated


@dataclass(frozen=True, slots=True)
class ContainerFacts:
    """One container: what it does now, what it did before, and what its probes say."""

    name: str
    state: State
    last: Terminated | None = None
    restarts: int = 0
    container_id: str = ""
    #: The startup probe has succeeded, or there is none.
    started: bool = False
    #: The readiness probe says so, or there is none.
    ready: bool = False

    @property
    def succeeded(self) -> bool:
        """Whether it ended with exit code 0."""
        return isinstance(self.state, Terminated) and self.state.exit_code == 0


@dataclass(frozen=True, slots=True)
class PodFacts:
    """One pod: its containers in the order of its spec, and how far the pod itself is."""

    start_time: str
    init: dict[str, ContainerFacts] = field(default_factory=dict)
    main: dict[str, ContainerFacts] = field(default_factory=dict)
    #: Volumes and network are there.
    sandbox_ready: bool = False
    ip: str | None = None
    #: Nothing of the pod runs any more, and nothing will.
    ended: bool = False
    #: Why the kubelet itself failed the pod (DeadlineExceeded, Evicted…).
    reason: str = ""
    message: str = ""
    #: The reason is decided, but the containers still have to end before it is told.
    failing: bool = False

    def find(self, name: str) -> ContainerFacts:
        """The container of this name."""
        return self.init[name] if name in self.init else self.main[name]

    def having(self, container: ContainerFacts) -> PodFacts:
        """The same with one container replaced."""
        if container.name in self.init:
            return replace(self, init=self.init | {container.name: container})
        return replace(self, main=self.main | {container.name: container})

    def __iter__(self) -> Iterator[ContainerFacts]:
        yield from self.init.values()
        yield from self.main.values()
