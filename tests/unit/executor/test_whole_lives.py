"""Executions in a world that does its worst: hypothesis plays the cluster, Airflow and the clock.

The world creates pods (and may lose the answer), starts and ends them, takes them away, repeats
events, delays them and tells of other pods. Whatever it does:

- two pods of one execution are never alive at once;
- an end is reported once at most, never after the task was taken back, and once in the end if not;
- the infrastructure fails no task before its retries are used up, unless Airflow has been told the
  task's end already;
- what ended well is reported as such, and nothing else;
- in the end nothing is left: no record, no pod in which something could still run.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from podlift.executor.effects import (
    Create,
    Delete,
    Effect,
    Forget,
    KeepLog,
    LookAtEvents,
    Report,
    Requeue,
)
from podlift.executor.observations import (
    CreateBegun,
    Created,
    CreateDelayed,
    LogKept,
    Observation,
    PodGone,
    PodSeen,
    Released,
    Requeued,
    Revoked,
    Tick,
)
from podlift.executor.state import Policy, Record, State, Trouble, Verdict
from podlift.executor.transitions import reduce

EVICTED = Trouble("evicted", "evicted", infrastructure=True)
FAILED = Trouble("failed", "exit code 1")
POLICY = Policy(infrastructure_retries=2)


@dataclass
class Pod:
    """A pod as it really is, which is not yet what was seen of it."""

    uid: str
    launch: int
    started: bool = False
    ended: bool = False
    exists: bool = True


class Lives(RuleBasedStateMachine):
    """One execution, from its launch to the end of everything."""

    def __init__(self) -> None:
        super().__init__()
        self.record = Record()
        self.airflow = "queued"
        self.pods: list[Pod] = []
        self.events: deque[Observation] = deque()
        self.past: list[Observation] = []
        self.deletions: set[str] = set()
        self.asked = True
        self.requeueing = False
        self.reports: list[Verdict] = []
        self.taken_back = False
        self.forgotten = 0
        self.refused = False
        self.now = 0.0

    # What the engine does with effects

    def observe(self, observation: Observation) -> None:
        self.record, effects = reduce(self.record, observation, POLICY)
        for effect in effects:
            self.carry_out(effect)

    def carry_out(self, effect: Effect) -> None:
        match effect:
            case Create(launch):
                others = [pod for pod in self.alive if pod.launch != launch]
                assert not others, "a pod is asked for while another one may be alive"
                self.asked = True
            case Delete(uid):
                found = [pod.uid for pod in self.pods if uid in ("", pod.uid)]
                self.deletions.update(found)
                if not found:
                    self.events.append(PodGone(uid))
            case Requeue():
                self.requeueing = True
            case Report(verdict):
                assert not self.taken_back
                self.reports.append(verdict)
            case Forget():
                self.forgotten += 1
            case KeepLog() | LookAtEvents():
                pass

    @property
    def alive(self) -> list[Pod]:
        return [pod for pod in self.pods if pod.exists and not pod.ended]

    # What the world does

    @precondition(lambda self: self.record.state is State.QUEUED and self.asked)
    @rule()
    def begin(self) -> None:
        self.asked = False
        self.observe(CreateBegun())

    @precondition(lambda self: self.record.state is State.CREATING)
    @rule(made=st.booleans(), answered=st.booleans())
    def answer(self, made: bool, answered: bool) -> None:
        launch = self.record.launch
        pod = next((pod for pod in self.pods if pod.launch == launch and pod.exists), None)
        if made and pod is None:
            pod = Pod(f"pod-{len(self.pods)}", launch)
            self.pods.append(pod)
        if answered and pod is not None:
            self.observe(Created(pod.uid))
        else:
            self.observe(CreateDelayed("busy", 0.0))

    def happens(self, pod: Pod, code: int | None = None, trouble: Trouble | None = None) -> None:
        self.now += 1
        self.events.append(PodSeen(pod.uid, self.now, pod.started, code, pod.ended, trouble))

    @precondition(lambda self: any(not pod.started for pod in self.alive))
    @rule()
    def start(self) -> None:
        pod = next(pod for pod in self.alive if not pod.started)
        pod.started = True
        if self.airflow == "queued":  # the execution API lets a task begin from nowhere else
            self.airflow = "running"
        self.happens(pod)

    @precondition(lambda self: self.airflow == "running" and any(p.started for p in self.alive))
    @rule(well=st.booleans())
    def end(self, well: bool) -> None:
        pod = next(pod for pod in self.alive if pod.started)
        pod.ended = True
        self.airflow = "success" if well else "failed"
        self.happens(pod, 0 if well else 1, None if well else FAILED)

    @precondition(lambda self: bool(self.alive))
    @rule(told=st.booleans())
    def evict(self, told: bool) -> None:
        pod = self.alive[0]
        pod.ended = True
        if told and pod.started and self.airflow == "running":
            self.airflow = "failed"
        self.happens(pod, 143 if pod.started else None, EVICTED)

    @precondition(lambda self: any(pod.exists for pod in self.pods))
    @rule()
    def delete_from_outside(self) -> None:
        pod = next(pod for pod in self.pods if pod.exists)
        self.vanish(pod)

    def vanish(self, pod: Pod) -> None:
        pod.exists, pod.ended = False, True
        self.events.append(PodGone(pod.uid))

    @precondition(lambda self: any(self.going()))
    @rule()
    def delete_as_asked(self) -> None:
        self.vanish(self.going()[0])

    def going(self) -> list[Pod]:
        return [pod for pod in self.pods if pod.exists and pod.uid in self.deletions]

    @precondition(lambda self: bool(self.events))
    @rule()
    def deliver(self) -> None:
        event = self.events.popleft()
        self.past.append(event)
        if self.about_an_earlier_launch(event):
            return
        self.observe(event)

    def about_an_earlier_launch(self, event: Observation) -> bool:
        """The engine tells the launches of an execution apart by the pods' annotations."""
        launches = {pod.uid: pod.launch for pod in self.pods}
        uid = event.uid if isinstance(event, PodSeen | PodGone) else ""
        return launches.get(uid, self.record.launch) != self.record.launch

    @precondition(lambda self: bool(self.past))
    @rule(which=st.integers(0, 50))
    def repeat(self, which: int) -> None:
        event = self.past[which % len(self.past)]
        if (
            isinstance(event, PodSeen)
            and event.finished
            and not self.about_an_earlier_launch(event)
        ):
            self.observe(event)

    @rule(started=st.booleans(), gone=st.booleans())
    def tell_of_another_pod(self, started: bool, gone: bool) -> None:
        if self.record.uid:
            other = PodGone("other") if gone else PodSeen("other", self.now, started, 0, True)
            self.observe(other)

    @precondition(lambda self: self.record.state is State.KEEPING_LOG)
    @rule()
    def keep_log(self) -> None:
        self.observe(LogKept("kept"))

    @precondition(lambda self: self.requeueing)
    @rule()
    def answer_requeue(self) -> None:
        self.requeueing = False
        done = self.airflow in ("queued", "running")
        if done:
            self.airflow = "queued"
        self.refused |= not done
        self.observe(Requeued(done))

    @rule(seconds=st.floats(0.1, 400))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        if not self.events:  # the watch is faster than any of our timeouts
            self.observe(Tick(self.now))

    @precondition(lambda self: not self.taken_back and not self.reports)
    @rule(released=st.booleans())
    def take_back(self, released: bool) -> None:
        self.taken_back = True
        self.observe(Released() if released else Revoked())

    # What must hold

    @invariant()
    def never_two_pods(self) -> None:
        assert len(self.alive) <= 1

    @invariant()
    def reported_once(self) -> None:
        assert len(self.reports) <= 1
        assert (self.record.state is State.GONE) == bool(self.forgotten)
        assert self.forgotten <= 1

    @invariant()
    def reported_as_it_was(self) -> None:
        for verdict in self.reports:
            if not verdict.success and verdict.cause in ("evicted", "vanished"):
                used_up = self.record.replaced == POLICY.infrastructure_retries
                assert used_up or self.refused, "failed with retries left"
            assert verdict.success == (self.airflow == "success")

    def teardown(self) -> None:
        """From here on the world is kind: nothing is lost any more, and every pod ends well."""
        for _ in range(200):
            if self.record.state is State.GONE:
                break
            self.one_kind_step()
        assert self.record.state is State.GONE, self.record
        assert self.taken_back or len(self.reports) == 1
        left = [pod for pod in self.alive if pod.uid not in self.deletions]
        assert self.taken_back or not left

    def one_kind_step(self) -> None:
        self.wait(1.0)
        if self.events:
            self.deliver()
        elif self.record.state is State.QUEUED and self.asked:
            self.begin()
        elif self.record.state is State.CREATING:
            self.answer(True, True)
        elif self.record.state is State.KEEPING_LOG:
            self.keep_log()
        elif self.requeueing:
            self.answer_requeue()
        elif self.going():
            self.delete_as_asked()
        elif any(not pod.started for pod in self.alive):
            self.start()
        elif self.alive and self.airflow == "running":
            self.end(True)
        elif self.alive:
            self.evict(False)
        elif not any(pod.exists for pod in self.pods):
            self.observe(PodGone(self.record.uid))


TestLives = Lives.TestCase
TestLives.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
