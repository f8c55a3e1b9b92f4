"""The promises of the state machine, whatever is observed in whatever order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podlift.executor.effects import (
    Announce,
    Create,
    Delete,
    Effect,
    Forget,
    KeepLog,
    LookAtEvents,
    Report,
    Requeue,
    Tell,
)
from podlift.executor.observations import (
    CreateBegun,
    Created,
    CreateDelayed,
    CreateRefused,
    DeleteRefused,
    FoundQueued,
    LogKept,
    NameTaken,
    Observation,
    PodGone,
    PodSeen,
    Released,
    Requeued,
    Revoked,
    Tick,
)
from podlift.executor.state import Again, Policy, Record, State, Trouble, Verdict
from podlift.executor.transitions import TABLE, needs_time, reduce

POLICY = Policy(infrastructure_retries=2)
EVICTED = Trouble("evicted", "evicted", infrastructure=True)
NO_IMAGE = Trouble("image_pull", "no such image", stuck=True)
BAD_NAME = Trouble("invalid_image_name", "bad image name", stuck=True, hopeless=True)
MI = 2**20


def failed(code: int) -> Trouble:
    return Trouble("failed", f"exit code {code}")


def hungry(had: int | None) -> Trouble:
    return Trouble("out_of_memory", "out of memory", memory=had)


def lost(trouble: Trouble = EVICTED, **seen: object) -> PodSeen:
    """The pod's end, by no fault of the task's."""
    return PodSeen("a", 2.0, finished=True, trouble=trouble, **seen)  # type: ignore[arg-type]


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
    life = running().see(PodSeen("a", 2.0, started=True, exit_code=137, trouble=failed(137)))
    assert life.state == State.RUNNING.value
    deadline = Trouble("deadline", "too long")
    life.see(
        PodSeen("a", 2.1, started=True, exit_code=137, finished=True, trouble=deadline),
        LogKept("too long"),
    )
    assert life.reports == [Verdict(False, "too long", "deadline")]


def test_a_failure_does_not_wait_for_ever_for_a_sidecar_that_keeps_the_pod_running() -> None:
    life = running().see(PodSeen("a", 2.0, started=True, exit_code=3, trouble=failed(3)))
    life.see(Tick(3.0))
    assert life.state == State.RUNNING.value
    life.see(Tick(2.0 + POLICY.ending_timeout))
    assert life.done(KeepLog) == [KeepLog(Verdict(False, "exit code 3", "failed"))]


def test_a_failure_stays_one_when_its_pod_is_deleted_before_it_is_seen_to_end() -> None:
    life = running().see(PodSeen("a", 2.0, started=True, exit_code=3, trouble=failed(3)))
    life.see(PodGone("a"))
    assert life.done(KeepLog) == [KeepLog(Verdict(False, "exit code 3", "failed"))]


def test_a_busy_server_delays_a_pod_and_says_so_once() -> None:
    life = Life().see(CreateBegun(), CreateDelayed("busy 1", 2.0, "busy"))
    life.see(CreateBegun(), CreateDelayed("busy 2", 4.0, "busy"), CreateBegun(), Created("a"))
    assert life.effects == [Create(1, 2.0), Tell("busy 1"), Create(1, 4.0), Announce()]


def test_a_refused_pod_fails_its_task_with_the_servers_words() -> None:
    life = Life().see(
        CreateBegun(), CreateRefused("no such namespace"), LogKept("no such namespace")
    )
    assert life.reports == [Verdict(False, "no such namespace")]
    assert life.state == State.GONE.value
    assert life.done(Delete) == []


ENDS: list[Observation] = [PodGone("a"), lost()]


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("life", [pending, running])
def test_a_pod_that_is_lost_is_followed_by_another_a_limited_number_of_times(
    life: Callable[[], Life], end: Observation
) -> None:
    one = life().see(end)
    assert one.state == State.KEEPING_LOG.value
    one.see(LogKept("why"))
    assert one.done(Create) == []
    one.see(Requeued(True))
    assert one.state == State.QUEUED.value
    assert one.done(Create) == [Create(2)]
    assert one.done(Tell) == [Tell("why Another pod is started.")]
    again: list[Observation] = [CreateBegun(), Created("a"), end, LogKept("why"), Requeued(True)]
    one.see(*again)
    assert one.done(Create) == [Create(2), Create(3)]
    one.see(*again)
    assert one.done(Create) == [Create(2), Create(3)]
    assert [verdict.sentence for verdict in one.reports] == ["why"]


def test_a_task_that_loses_its_last_pod_fails_and_says_that_it_was_the_last() -> None:
    life = pending(replaced=POLICY.infrastructure_retries).see(lost())
    sentence = "evicted This was the 3rd pod; infrastructure_retries is 2."
    assert life.done(KeepLog) == [KeepLog(Verdict(False, sentence, "evicted"))]


def test_a_task_that_never_had_a_pod_has_lost_none_when_it_gets_one() -> None:
    orphan = Record(
        state=State.REQUEUEING, launch=0, again=Again.BEGIN, ended=True, verdict=Verdict(False, "")
    )
    life = Life(orphan).see(Requeued(True))
    assert life.done(Create) == [Create(1)]
    assert life.record.replaced == 0


def test_airflow_is_asked_before_another_pod_may_begin_the_task() -> None:
    life = running().see(lost(), LogKept("evicted"))
    assert life.state == State.REQUEUEING.value
    assert life.done(KeepLog) == [KeepLog(Verdict(False, "evicted", "evicted"), again=True)]
    assert life.done(Requeue) == [Requeue(2, "evicted")]


def test_what_airflow_knows_to_have_ended_is_reported_as_it_ended() -> None:
    life = running().see(lost(), LogKept("evicted"), Requeued(False))
    assert life.reports == [Verdict(False, "evicted", "evicted")]
    assert life.done(Create) == []
    assert life.state == State.DELETING.value


def test_the_pod_that_was_taken_away_is_deleted_when_another_one_follows() -> None:
    life = running().see(lost(), LogKept(""), Requeued(True))
    assert life.done(Delete) == [Delete("a")]
    life = running().see(lost(), PodGone("a"), LogKept(""), Requeued(True))
    assert life.done(Delete) == []


def test_a_task_revoked_while_it_is_queued_again_gets_no_other_pod() -> None:
    life = running().see(lost(), LogKept(""), Revoked(), Requeued(True), PodGone("a"))
    assert life.done(Create) == []
    assert life.reports == []
    assert life.record.state is State.GONE


def test_a_pod_that_was_replaced_before_a_restart_counts_too() -> None:
    assert pending(replaced=2).see(PodGone("a")).record.again is Again.NO


def test_a_task_that_was_told_to_stop_and_ended_well_has_ended_well() -> None:
    life = running().see(PodSeen("a", 2.0, True, 0, True, trouble=EVICTED), LogKept(""))
    assert life.reports == [Verdict(True)]


def test_a_task_that_ran_out_of_memory_gets_more_if_that_is_asked_for() -> None:
    life = running()
    life.policy = Policy(memory_factor=2.0, memory_ceiling=100 * MI)
    life.see(lost(hungry(50 * MI)), LogKept("out of memory"), Requeued(True))
    assert life.done(Tell) == [Tell("out of memory Another pod is started, with more memory.")]
    assert (life.record.grown, life.record.replaced) == (1, 0)


@pytest.mark.parametrize(
    ("policy", "had", "grown"),
    [
        (Policy(), 50 * MI, 0),
        (Policy(memory_factor=2.0, memory_ceiling=50 * MI), 50 * MI, 0),
        (Policy(memory_factor=2.0), None, 0),
        (Policy(memory_factor=2.0, infrastructure_retries=3), 50 * MI, 3),
    ],
)
def test_memory_does_not_grow_further_than_allowed(
    policy: Policy, had: int | None, grown: int
) -> None:
    life = Life(Record(grown=grown), policy=policy).see(CreateBegun(), Created("a"))
    life.see(PodSeen("a", 1.0, started=True), lost(hungry(had)), LogKept("out of memory"))
    assert life.reports == [Verdict(False, "out of memory", "out_of_memory")]


def test_a_pod_that_needs_repair_gets_some_time_for_it() -> None:
    life = pending().see(PodSeen("a", 1.0, trouble=NO_IMAGE))
    life.see(Tick(100.0), PodSeen("a", 101.0, trouble=NO_IMAGE))
    assert life.state == State.PENDING.value
    assert life.done(Tell) == [Tell("no such image")]
    life.see(Tick(1.0 + POLICY.pending_failure_timeout))
    assert life.done(KeepLog) == [KeepLog(Verdict(False, "no such image", "image_pull"))]


def test_a_pod_that_its_node_cannot_set_up_is_given_up_for_another() -> None:
    sandbox = Trouble("sandbox", "no network", infrastructure=True, stuck=True)
    life = pending().see(PodSeen("a", 1.0, preparing=True, trouble=sandbox))
    life.see(Tick(1.0 + POLICY.pending_failure_timeout))
    assert life.done(Delete) == [Delete("a")]
    assert life.done(Create) == []
    life.see(PodGone("a"), LogKept("no network"), Requeued(True))
    assert life.done(Create) == [Create(2)]


def test_an_image_that_turns_up_in_time_starts_the_task() -> None:
    life = pending().see(PodSeen("a", 1.0, trouble=NO_IMAGE))
    life.see(PodSeen("a", 60.0), Tick(500.0), PodSeen("a", 501.0, started=True))
    assert life.state == State.RUNNING.value


def test_a_trouble_is_told_once_however_its_words_change() -> None:
    life = pending()
    for count in range(5):
        life.see(PodSeen("a", 1.0, trouble=Trouble("unschedulable", f"{count} nodes are full")))
        life.see(PodSeen("a", 1.0))
    life.see(PodSeen("a", 2.0, trouble=NO_IMAGE))
    assert life.done(Tell) == [Tell("0 nodes are full"), Tell("no such image")]


def test_a_pod_that_can_never_start_fails_at_once() -> None:
    life = pending().see(PodSeen("a", 1.0, trouble=BAD_NAME))
    assert life.done(KeepLog) == [KeepLog(Verdict(False, "bad image name", "invalid_image_name"))]


def test_a_pod_that_does_not_start_and_does_not_say_why_is_looked_at() -> None:
    life = pending().see(PodSeen("a", 1.0, preparing=True), Tick(10.0))
    assert life.done(LookAtEvents) == []
    first = 1.0 + POLICY.look_after
    life.see(Tick(first), Tick(first + 1), PodSeen("a", first + 2, preparing=True))
    assert life.done(LookAtEvents) == [LookAtEvents()]
    life.see(Tick(first + POLICY.look_every))
    assert life.done(LookAtEvents) == [LookAtEvents()] * 2
    life.see(PodSeen("a", 100.0), Tick(1000.0))
    assert life.done(LookAtEvents) == [LookAtEvents()] * 2


def test_a_pod_that_pends_too_long_fails_its_task_with_the_reason() -> None:
    full = Trouble("unschedulable", "No room.")
    life = pending()
    life.policy = Policy(pending_timeout=60.0)
    life.see(PodSeen("a", 1.0, trouble=full), Tick(2.0), Tick(61.0))
    assert life.state == State.PENDING.value
    life.see(Tick(62.0))
    [kept] = life.done(KeepLog)
    assert kept == KeepLog(
        Verdict(
            False,
            "The task waited longer than 60 seconds for its pod. No room.",
            "unschedulable",
        )
    )


def test_a_pod_that_is_not_created_for_too_long_fails_its_task_and_is_looked_for() -> None:
    life = Life(policy=Policy(pending_timeout=60.0))
    life.see(Tick(0.0), CreateBegun(), CreateDelayed("quota used up", 5.0), Tick(100.0))
    life.see(Tick(160.0), LogKept("quota used up"))
    assert [verdict.success for verdict in life.reports] == [False]
    assert life.done(Delete) == [Delete("")]


def test_time_that_a_pod_pends_counts_on_when_another_takes_its_place() -> None:
    life = pending()
    life.policy = Policy(pending_timeout=60.0)
    life.see(Tick(0.0), PodGone("a"), LogKept("gone"), Requeued(True), CreateBegun(), Created("b"))
    life.see(Tick(60.0))
    assert life.state == State.KEEPING_LOG.value


def test_a_task_that_just_runs_needs_no_ticks() -> None:
    assert not needs_time(running().record, POLICY)
    assert not needs_time(Record(), POLICY)
    assert not needs_time(pending().record, POLICY)
    stuck = pending().see(PodSeen("a", 1.0, trouble=NO_IMAGE)).record
    ending = running().see(PodSeen("a", 1.0, True, 3, trouble=failed(3))).record
    assert needs_time(stuck, POLICY)
    assert needs_time(ending, POLICY)
    assert needs_time(pending().record, Policy(pending_timeout=1.0))


def test_a_pod_that_never_began_is_deleted_even_where_failed_pods_are_kept() -> None:
    life = pending()
    life.policy = Policy(delete_failed=False)
    life.see(PodSeen("a", 1.0, trouble=BAD_NAME), LogKept("bad"))
    assert life.done(Delete) == [Delete("a")]


def test_a_deletion_of_which_nothing_is_heard_is_asked_for_again_once() -> None:
    life = running().see(PodSeen("a", 2.0, started=True, exit_code=0), LogKept(""), Tick(3.0))
    life.see(Tick(3.0 + POLICY.deleting_patience), Tick(4.0 + POLICY.deleting_patience))
    assert life.done(Delete) == [Delete("a")] * 2


def test_a_task_taken_back_before_its_next_pod_was_asked_for_is_over_at_once() -> None:
    life = running().see(lost(), LogKept(""), Requeued(True), Revoked())
    assert life.record.state is State.GONE


def test_ended_pods_are_kept_where_that_is_asked_for() -> None:
    life = running()
    life.policy = Policy(delete_succeeded=False, delete_failed=False)
    life.see(PodSeen("a", 2.0, started=True, exit_code=0), LogKept(""))
    assert life.state == State.GONE.value
    assert life.done(Delete) == []


@pytest.mark.parametrize("life", [pending(), running()])
def test_what_is_told_of_another_pod_changes_nothing(life: Life) -> None:
    before = life.record
    life.see(PodSeen("b", 2.0, started=True, exit_code=0, finished=True), PodGone("b"))
    assert life.record == before


def test_the_watch_may_be_faster_than_the_answer() -> None:
    life = Life().see(
        CreateBegun(),
        PodSeen("a", 1.0, started=True, exit_code=0, finished=True),
        Created("a"),
        LogKept(""),
    )
    assert life.reports == [Verdict(True)]


def test_a_pod_that_vanished_before_the_answer_is_replaced() -> None:
    life = Life().see(CreateBegun(), PodGone("a"), PodGone("older"), Created("a"))
    life.see(LogKept("gone"), Requeued(True))
    assert life.done(Create) == [Create(2)]


def test_an_earlier_pod_of_the_task_is_waited_for_then_deleted_then_given_up() -> None:
    life = Life().see(CreateBegun(), NameTaken("old", ended=False), Tick(10.0), Tick(20.0))
    assert life.effects == []
    life.see(Tick(10.0 + POLICY.replacing_patience), Tick(45.0))
    assert life.done(Delete) == [Delete("old")]
    assert life.see(PodGone("old")).done(Create) == [Create(2)]


def test_an_earlier_pod_that_does_not_go_fails_the_task() -> None:
    life = Life().see(CreateBegun(), NameTaken("old", ended=False), Tick(0.0))
    life.see(Tick(POLICY.deleting_timeout))
    assert life.state == State.KEEPING_LOG.value


def test_a_name_that_a_finished_pod_has_is_not_waited_for() -> None:
    life = Life().see(CreateBegun(), NameTaken("old", ended=True))
    assert life.effects == [Create(2)]


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


ENDED_WELL = PodSeen("a", 2.0, started=True, exit_code=0)


@pytest.mark.parametrize("seen", [(FoundQueued(), ENDED_WELL), (ENDED_WELL, FoundQueued())])
def test_the_success_of_a_pod_that_was_taken_over_while_its_task_was_queued_is_doubted(
    seen: tuple[Observation, ...],
) -> None:
    life = running().see(*seen, LogKept(""))
    assert life.done(Requeue) == [Requeue(2, "")]
    assert life.reports == []
    life.see(Requeued(True))
    assert life.done(Delete) == [Delete("a")]
    assert life.done(Create) == [Create(2)]
    life.see(CreateBegun(), Created("b"), PodSeen("b", 3.0, True, 0, True), LogKept(""))
    assert life.reports == [Verdict(True)]


def test_a_doubted_success_that_airflow_knows_of_is_reported() -> None:
    life = running().see(FoundQueued(), ENDED_WELL, LogKept(""), Requeued(False))
    assert life.reports == [Verdict(True)]
    assert life.done(Create) == []


def test_a_task_that_goes_on_in_another_pod_has_lost_none() -> None:
    life = pending(replaced=2).see(FoundQueued(), ENDED_WELL, LogKept(""), Requeued(True))
    assert life.record.replaced == 0


def test_a_failure_is_believed_also_after_a_takeover() -> None:
    failure = PodSeen("a", 2.0, True, 3, True, trouble=failed(3))
    life = running().see(FoundQueued(), failure, LogKept("exit code 3"))
    assert life.reports == [Verdict(False, "exit code 3", "failed")]


UIDS = st.sampled_from(["a", "b"])
TIMES = st.floats(0, 1000)
troubles = st.builds(
    Trouble,
    st.sampled_from(["x", "y"]),
    st.just("what is wrong"),
    infrastructure=st.booleans(),
    stuck=st.booleans(),
    hopeless=st.booleans(),
    memory=st.none() | st.integers(1, 100),
)
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
        trouble=st.none() | troubles,
        preparing=st.booleans(),
    ),
    st.builds(PodGone, st.sampled_from(["a", "b", ""])),
    st.builds(LogKept, st.just("kept")),
    st.builds(Requeued, st.booleans()),
    st.builds(DeleteRefused, st.just("forbidden")),
    st.just(FoundQueued()),
    st.just(Revoked()),
    st.just(Released()),
    st.builds(Tick, TIMES),
)
policies = st.builds(
    Policy,
    infrastructure_retries=st.integers(0, 2),
    pending_timeout=st.sampled_from([0.0, 100.0]),
    memory_factor=st.sampled_from([1.0, 2.0]),
    memory_ceiling=st.none() | st.just(50),
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


def test_every_state_but_the_last_is_left_by_something() -> None:
    assert {state for state, _ in TABLE} == set(State) - {State.GONE}
