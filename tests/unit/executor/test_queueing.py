"""Whose turn it is: by priority, and nobody waits for a namespace that takes no pods."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from airflow.models.taskinstancekey import TaskInstanceKey
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from podlift.executor.execution import Execution
from podlift.executor.queueing import Queue
from podlift.executor.state import Record, State
from podlift.pods.labels import Identity

if TYPE_CHECKING:
    from collections.abc import Sequence


def execution(
    number: int, priority: int = 1, namespace: str = "a", built: bool = True
) -> Execution:
    name = f"t{number}"
    return Execution(
        id=name,
        number=number,
        key=TaskInstanceKey("d", name, "r", 1, -1),
        whose=Identity(dag_id="d", task_id=name, run_id="r", ti_id=name),
        parts=("d", name),
        namespace=namespace,
        log_path=None,
        priority=priority,
        pod_name=name if built else "",
    )


class Server:
    """Takes a number of pods in each namespace, and refuses the rest."""

    def __init__(self, **room: int) -> None:
        self.queue = Queue()
        self.room = room
        self.now = 0.0
        self.asked: list[str] = []
        self.made: list[str] = []

    def push(self, *executions: Execution) -> None:
        for each in executions:
            self.queue.push(each, each.record.launch)

    def serve(self, seconds: float = 0.0) -> None:
        """Try everybody whose turn comes within so many seconds."""
        end = self.now + seconds
        while (wait := self.queue.wait(self.now)) is not None and self.now + wait <= end:
            self.now += wait
            each = self.queue.pop(self.now)
            assert each is not None, "it said that somebody may be tried"
            self._try(each)
        self.now = end

    def _try(self, each: Execution) -> None:
        if self.queue.held_back(each):
            self.push(each)
        elif self.room[each.namespace] > 0:
            self.asked.append(each.id)
            self.room[each.namespace] -= 1
            self.made.append(each.id)
            each.record = replace_state(each, State.PENDING)
            self.queue.accepted(each, self.now)
        else:
            self.asked.append(each.id)
            self.queue.refused(each, "full", self.now)
            self.push(each)
        self.queue.answered(each)

    def end(self, namespace: str) -> None:
        self.room[namespace] += 1
        self.queue.freed(namespace, self.now)


def replace_state(each: Execution, state: State) -> Record:
    return replace(each.record, state=state)


def test_the_highest_priority_is_first_and_then_who_came_first() -> None:
    server = Server(a=9)
    server.push(execution(1), execution(2, priority=5), execution(3), execution(4, priority=5))
    server.serve()
    assert server.made == ["t2", "t4", "t1", "t3"]


def test_who_no_longer_waits_is_passed_over() -> None:
    server = Server(a=9)
    gone, moved_on = execution(1), execution(2)
    server.push(gone, moved_on, execution(3))
    gone.record = replace_state(gone, State.GONE)
    moved_on.record = replace(moved_on.record, launch=2)
    server.serve()
    assert server.made == ["t3"]
    assert server.queue.wait(0.0) is None


def test_a_namespace_without_room_holds_up_nobody_else() -> None:
    server = Server(a=0, b=9)
    server.push(*(execution(n, priority=9) for n in range(50)))
    server.push(*(execution(100 + n, namespace="b") for n in range(5)))
    server.serve()
    assert server.made == [f"t{100 + n}" for n in range(5)]
    assert len(server.asked) == 1 + 5


def test_a_full_namespace_is_asked_less_and_less_often_until_a_pod_ends_there() -> None:
    server = Server(a=0)
    server.push(*(execution(n) for n in range(50)))
    server.serve(60.0)
    assert 6 <= len(server.asked) <= 10
    server.asked.clear()
    server.end("a")
    server.serve()
    assert server.made == ["t0"]


def test_room_that_was_made_goes_to_the_highest_priority() -> None:
    server = Server(a=0)
    server.push(execution(1, priority=9), execution(2), execution(3, priority=9))
    server.serve(30.0)
    server.end("a")
    server.serve()
    assert server.made == ["t1"]


def test_priority_decides_though_the_room_is_counted_a_moment_later() -> None:
    server = Server(a=0)
    server.push(execution(1, priority=9), execution(2), execution(3))
    server.serve(30.0)
    server.queue.freed("a", server.now)
    server.serve(0.3)
    server.room["a"] += 1
    server.serve(1.0)
    assert server.made == ["t1"]


def test_a_task_that_is_too_large_does_not_keep_small_ones_out() -> None:
    server = Server(a=9)
    large, small = execution(1, priority=9), execution(2)
    queue = server.queue
    server.push(large, small)
    assert queue.pop(0.0) is large
    queue.refused(large, "exceeded quota", 0.0)
    server.push(large)
    queue.answered(large)
    assert queue.pop(0.0) is small  # as yet nobody knows that they share a namespace
    assert queue.held_back(small) == "exceeded quota"
    server.push(small)
    queue.answered(small)
    assert queue.pop(0.4) is None
    assert queue.pop(0.5) is small


def test_room_is_taken_up_by_ever_more_at_a_time() -> None:
    queue = Queue()
    everybody = [execution(n) for n in range(20)]
    for each in everybody:
        queue.push(each, 1)
    first = pop_all(queue, 1)[0]
    queue.refused(first, "full", 0.0)
    queue.push(first, 1)
    queue.answered(first)
    for each in pop_all(queue, 20):  # from here on they are known to belong there
        queue.push(each, 1)
        queue.answered(each)
    sizes, now = [], 1.0
    for _ in range(3):
        tried = pop_all(queue, 20, now)
        sizes.append(len(tried))
        for each in tried:
            each.record = replace_state(each, State.PENDING)
            queue.accepted(each, now)
            queue.answered(each)
    assert sizes == [1, 2, 4]


def pop_all(queue: Queue, most: int, now: float = 0.0) -> Sequence[Execution]:
    popped: list[Execution] = []
    while len(popped) < most and (each := queue.pop(now)) is not None:
        popped.append(each)
    return popped


def test_a_pod_that_was_never_built_may_belong_into_another_namespace() -> None:
    server = Server(a=0)
    server.push(execution(1))
    server.serve()
    unknown = execution(2, built=False)
    server.queue.push(unknown, 1)
    assert server.queue.pop(0.0) is unknown


@given(
    st.lists(st.tuples(st.integers(0, 5), st.sampled_from("abc")), min_size=1, max_size=30),
    st.lists(st.sampled_from("abc"), max_size=60),
)
def test_everybody_gets_in_once_there_is_room(
    tasks: list[tuple[int, str]], ends: list[str]
) -> None:
    server = Server(a=0, b=1, c=99)
    for number, (priority, namespace) in enumerate(tasks):
        server.push(execution(number, priority, namespace))
    for namespace in ends:
        server.end(namespace)
        server.serve(0.3)
    server.room = dict.fromkeys("abc", 99)
    server.serve(100.0)
    assert sorted(server.made) == sorted(f"t{number}" for number in range(len(tasks)))


@pytest.mark.parametrize("end", [True, False])
def test_a_namespace_is_like_any_other_again_when_nobody_waits_for_it(end: bool) -> None:
    server = Server(a=0)
    server.push(execution(1))
    server.serve()
    server.room["a"] = 9
    if end:
        server.queue.freed("a", server.now)
    server.serve(1.0)
    server.push(*(execution(n) for n in range(2, 9)))
    assert len(pop_all(server.queue, 20, server.now)) == 7
