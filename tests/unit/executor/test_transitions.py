"""The promises of the state machine, whatever is observed in whatever order."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podlift.executor.state import (
    Announce,
    Create,
    CreateBegun,
    Created,
    CreateDelayed,
    CreateRefused,
    Delete,
    DeleteRefused,
    Effect,
    Forget,
    KeepLog,
    LogKept,
    NameTaken,
    Observation,
    PodGone,
    PodSeen,
    Policy,
    Record,
    Released,
    Report,
    Revoked,
    State,
    Tell,
    Tick,
    Verdict,
)
from podlift.executor.transitions import TABLE, reduce

POLICY = Policy(infrastructure_retries=2)


@dataclass
class Life:
    """A record with everything that was done for it."""

    record: Record = field(default_factory=Record)
    policy: Policy = POLICY
    effects: list[Effect] = field(default_factory=list)

    def see(self, *observations: Observation) -> Life:
        for observation in observations:
            self.record, effects = reduce(self.record, observation, self.policy)
            self.effects += effects
        return self

    def done(self, kind: type[Effect]) -> list[Effect]:
        return [effect for effect in self.effects if isinstance(effect, kind)]

    @property
    def state(self) -> str:
        return self.record.state.value

    @property
    def reports(self) -> list[Verdict]:
        return [effect.verdict for effect in self.effects if isinstance(effect, Report)]


def pending(**record: object) -> Life:
    return Life(Record(**record)).see(CreateBegun(), Created("a"))  # type: ignore[arg-type]


def running() -> Life:
    return pending().see(PodSeen("a", 1.0, started=True))


def test_a_task_that_succeeds_is_reported_once_its_log_is_kept_and_then_deleted() -> None:
    life = running().see(PodSeen("a", 2.0, started=True, exit_code=0))
    assert life.state == State.KEEPING_LOG.value
    assert life.reports == []
    life.see(LogKept(""))
    assert life.effects == [
        Announce(),
        KeepLog(Verdict(True)),
        Report(Verdict(True)),
        Delete("a"),
    ]
    assert life.see(PodGone("a")).record.state is State.GONE


def test_a_failure_waits_for_the_pods_own_end_which_knows_the_reason() -> None:
    life = running().see(PodSeen("a", 2.0, started=True, exit_code=137, problem="exit code 137"))
    assert life.state == State.RUNNING.value
    life.see(
        PodSeen("a", 2.1, started=True, exit_code=137, finished=True, problem="evicted"),
        LogKept("evicted"),
    )
    assert life.reports == [Verdict(False, "evicted")]


def test_a_failure_does_not_wait_for_ever_for_a_sidecar_that_keeps_the_pod_running() -> None:
    life = running().see(PodSeen("a", 2.0, started=True, exit_code=3, problem="exit code 3"))
    life.see(Tick(3.0))
    assert life.state == State.RUNNING.value
    life.see(Tick(2.0 + POLICY.ending_timeout))
    assert life.done(KeepLog) == [KeepLog(Verdict(False, "exit code 3"))]


def test_a_busy_server_delays_a_pod_and_says_so_once() -> None:
    life = Life().see(CreateBegun(), CreateDelayed("busy", 2.0))
    life.see(CreateBegun(), CreateDelayed("busy", 4.0), CreateBegun(), Created("a"))
    assert life.effects == [Create(1, 0, 2.0), Tell("busy"), Create(1, 0, 4.0), Announce()]


def test_a_refused_pod_fails_its_task_with_the_servers_words() -> None:
    life = Life().see(
        CreateBegun(), CreateRefused("no such namespace"), LogKept("no such namespace")
    )
    assert life.reports == [Verdict(False, "no such namespace")]
    assert life.state == State.GONE.value
    assert life.done(Delete) == []


@pytest.mark.parametrize(
    "end",
    [
        PodGone("a"),
        PodSeen("a", 2.0, finished=True, problem="evicted", infrastructure=True),
    ],
)
def test_a_pod_that_is_lost_before_its_task_began_is_replaced_a_limited_number_of_times(
    end: Observation,
) -> None:
    life = pending().see(end)
    assert life.state == State.QUEUED.value
    assert life.done(Create) == [Create(2, 1)]
    life.see(CreateBegun(), Created("a"), end, CreateBegun(), Created("a"), end)
    assert life.state == State.KEEPING_LOG.value
    assert life.done(Create) == [Create(2, 1), Create(3, 2)]


def test_a_pod_that_was_replaced_before_a_restart_counts_too() -> None:
    life = pending(replaced=2).see(PodGone("a"))
    assert life.state == State.KEEPING_LOG.value


def test_an_adopted_pod_that_is_lost_cannot_be_replaced() -> None:
    life = pending(replaceable=False).see(PodGone("a"))
    assert life.state == State.KEEPING_LOG.value
    assert life.done(Create) == []


def test_a_pod_that_is_lost_while_its_task_runs_is_not_started_again_by_us() -> None:
    life = running().see(PodGone("a"), LogKept("deleted"))
    assert life.reports == [Verdict(False, "deleted")]
    assert life.done(Create) == []


def test_a_pod_that_needs_repair_gets_some_time_for_it() -> None:
    life = pending().see(PodSeen("a", 1.0, problem="no such image", stuck=True))
    life.see(Tick(100.0), PodSeen("a", 101.0, problem="no such image", stuck=True))
    assert life.state == State.PENDING.value
    assert life.done(Tell) == [Tell("no such image")]
    life.see(Tick(1.0 + POLICY.pending_failure_timeout))
    assert life.done(KeepLog) == [KeepLog(Verdict(False, "no such image"))]


def test_an_image_that_turns_up_in_time_starts_the_task() -> None:
    life = pending().see(PodSeen("a", 1.0, problem="no such image", stuck=True))
    life.see(PodSeen("a", 60.0), Tick(500.0), PodSeen("a", 501.0, started=True))
    assert life.state == State.RUNNING.value


def test_a_pod_that_can_never_start_fails_at_once() -> None:
    life = pending().see(PodSeen("a", 1.0, problem="bad image name", stuck=True, hopeless=True))
    assert life.done(KeepLog) == [KeepLog(Verdict(False, "bad image name"))]


def test_a_pod_that_never_began_is_deleted_even_where_failed_pods_are_kept() -> None:
    life = pending()
    life.policy = Policy(delete_failed=False)
    life.see(PodSeen("a", 1.0, problem="bad", hopeless=True), LogKept("bad"))
    assert life.done(Delete) == [Delete("a")]


def test_ended_pods_are_kept_where_that_is_asked_for() -> None:
    life = running()
    life.policy = Policy(delete_succeeded=False, delete_failed=False)
    life.see(PodSeen("a", 2.0, started=True, exit_code=0), LogKept(""))
    assert life.state == State.GONE.value
    assert life.done(Delete) == []


def test_the_watch_may_be_faster_than_the_answer() -> None:
    life = Life().see(
        CreateBegun(),
        PodSeen("a", 1.0, started=True, exit_code=0, finished=True),
        Created("a"),
        LogKept(""),
    )
    assert life.reports == [Verdict(True)]


def test_a_pod_that_vanished_before_the_answer_is_replaced() -> None:
    life = Life().see(CreateBegun(), PodGone("a"), Created("a"))
    assert life.done(Create) == [Create(2, 1)]


def test_an_earlier_pod_of_the_task_is_waited_for_then_deleted_then_given_up() -> None:
    life = Life().see(CreateBegun(), NameTaken("old", ended=False), Tick(10.0), Tick(20.0))
    assert life.effects == []
    life.see(Tick(10.0 + POLICY.replacing_patience), Tick(45.0))
    assert life.done(Delete) == [Delete("old")]
    assert life.see(PodGone("old")).done(Create) == [Create(2, 0)]


def test_an_earlier_pod_that_does_not_go_fails_the_task() -> None:
    life = Life().see(CreateBegun(), NameTaken("old", ended=False), Tick(0.0))
    life.see(Tick(POLICY.deleting_timeout))
    assert life.state == State.KEEPING_LOG.value


def test_a_name_that_a_finished_pod_has_is_not_waited_for() -> None:
    life = Life().see(CreateBegun(), NameTaken("old", ended=True))
    assert life.effects == [Create(2, 0)]


@pytest.mark.parametrize("life", [pending(), running()])
def test_a_revoked_task_is_deleted_without_a_word(life: Life) -> None:
    life.see(Revoked(), PodSeen("a", 9.0, started=True, exit_code=137, finished=True), PodGone("a"))
    assert life.state == State.GONE.value
    assert life.done(Delete) == [Delete("a")]
    assert life.reports == []


def test_a_task_revoked_while_its_pod_is_being_created_leaves_no_pod() -> None:
    assert Life().see(CreateBegun(), Revoked(), Created("a")).done(Delete) == [Delete("a")]
    assert Life().see(CreateBegun(), Revoked(), CreateDelayed("?", 1.0)).done(Delete) == [
        Delete("")
    ]


@pytest.mark.parametrize("taken", [Revoked(), Released()])
def test_an_end_is_not_reported_once_the_task_is_no_longer_ours(taken: Observation) -> None:
    life = running().see(PodSeen("a", 2.0, started=True, exit_code=0), taken, LogKept(""))
    assert life.reports == []


def test_a_task_revoked_in_creation_whose_pod_vanished_is_not_started_again() -> None:
    life = Life().see(CreateBegun(), Revoked(), PodGone("a"), Created("a"))
    assert life.done(Create) == []
    assert life.done(Delete) == [Delete("a")]


def test_what_another_scheduler_took_over_is_let_go() -> None:
    life = running().see(Released(), PodGone("a"))
    assert life.state == State.GONE.value
    assert life.done(Delete) == []
    assert life.reports == []


UIDS = st.sampled_from(["a", "b"])
TIMES = st.floats(0, 1000)
observations: st.SearchStrategy[Observation] = st.one_of(
    st.just(CreateBegun()),
    st.builds(Created, UIDS),
    st.builds(CreateDelayed, st.just("busy"), st.floats(0, 5)),
    st.builds(CreateRefused, st.just("no")),
    st.builds(NameTaken, UIDS, st.booleans()),
    st.builds(
        PodSeen,
        UIDS,
        TIMES,
        started=st.booleans(),
        exit_code=st.none() | st.integers(0, 3),
        finished=st.booleans(),
        problem=st.sampled_from(["", "x", "y"]),
        infrastructure=st.booleans(),
        stuck=st.booleans(),
        hopeless=st.booleans(),
    ),
    st.builds(PodGone, st.sampled_from(["a", "b", ""])),
    st.builds(LogKept, st.just("kept")),
    st.builds(DeleteRefused, st.just("forbidden")),
    st.just(Revoked()),
    st.just(Released()),
    st.builds(Tick, TIMES),
)
policies = st.builds(
    Policy,
    infrastructure_retries=st.integers(0, 2),
    delete_succeeded=st.booleans(),
    delete_failed=st.booleans(),
)


@given(st.lists(observations, max_size=30), policies)
def test_an_end_is_reported_once_and_not_after_the_task_was_taken_back(
    seen: list[Observation], policy: Policy
) -> None:
    life = Life(policy=policy)
    for observation in seen:
        before = len(life.reports)
        silent = life.record.silent
        life.see(observation)
        assert not (silent and len(life.reports) > before)
    assert len(life.reports) <= 1
    assert len(life.done(Forget)) <= 1
    assert (life.record.state is State.GONE) == bool(life.done(Forget))


class Cluster:
    """A world that only lets happen what can: it creates pods, ends them and takes them away."""

    def __init__(self, policy: Policy) -> None:
        self.life = Life(policy=policy)
        self.alive: set[str] = set()
        self.leaving: set[str] = set()
        self.wanted = True
        self.now = 0.0
        self.made = 0
        self.done = 0

    def observe(self, observation: Observation) -> None:
        self.life.see(observation)
        for effect in self.life.effects[self.done :]:
            self.carry_out(effect)
        self.done = len(self.life.effects)

    def carry_out(self, effect: Effect) -> None:
        if isinstance(effect, Create):
            assert not self.alive, "a pod is asked for while another one may be alive"
            self.wanted = True
        elif isinstance(effect, Delete):
            self.leaving |= self.alive if not effect.uid else {effect.uid} & self.alive

    def step(self, choice: int) -> None:
        self.now += 1.0
        state = self.life.record.state
        pod = min(self.alive, default="")
        if state is State.QUEUED and self.wanted:
            self.wanted = False
            self.observe(CreateBegun())
        elif state is State.CREATING:
            self.answer(choice)
        elif state is State.KEEPING_LOG:
            self.observe(LogKept("kept"))
        elif pod in self.leaving or (pod and choice == 1):
            self.alive.discard(pod)
            self.observe(PodGone(pod))
        elif pod and choice == 2:
            self.observe(PodSeen(pod, self.now, started=True))
        elif pod and choice in (3, 4):
            self.alive.discard(pod)  # it ran to its end
            code = choice - 3 if self.life.record.state is State.RUNNING else None
            self.observe(
                PodSeen(pod, self.now, code is not None, code, True, "bad", infrastructure=True)
            )
        elif pod and choice == 5:
            self.observe(PodSeen(pod, self.now, problem="stuck", stuck=True))
        elif not pod and state in (State.PENDING, State.RUNNING, State.DELETING, State.REPLACING):
            self.observe(PodGone(self.life.record.uid))
        else:
            self.observe(Tick(self.now))

    def answer(self, choice: int) -> None:
        if choice == 1:
            self.observe(CreateDelayed("busy", 0.0))
            return
        self.made += 1
        uid = f"pod-{self.made}"
        self.alive.add(uid)
        self.observe(Created(uid))


@given(st.lists(st.integers(0, 5), max_size=80), policies, st.integers(0, 80))
def test_never_two_pods_and_always_an_end(
    choices: list[int], policy: Policy, revoked_after: int
) -> None:
    cluster = Cluster(policy)
    for count, choice in enumerate(choices):
        if count == revoked_after:
            cluster.observe(Revoked())
        cluster.step(choice)
    for _ in range(60):  # from here on every pod ends, by itself or because it is deleted
        if cluster.life.record.state is State.GONE:
            break
        cluster.step(3)
    assert cluster.life.record.state is State.GONE
    # Whether the end or the revocation came first decides whether there is a report.
    assert len(cluster.life.reports) == 1 or revoked_after < len(choices)


def test_every_state_but_the_last_is_left_by_something() -> None:
    assert {state for state, _ in TABLE} == set(State) - {State.GONE}
