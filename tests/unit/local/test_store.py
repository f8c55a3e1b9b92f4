"""Objects, versions, history and subscriptions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from podlift.local import errors
from podlift.local.kinds import CONFIGMAP, POD, Obj
from podlift.local.store import ChangeType, Disk, Store, begin_deletion, finish_deletion
from podlift.local.store.changes import Change, History
from podlift.local.store.facts import Facts


def config(name: str, **data: str) -> Obj:
    """A config map."""
    return {"metadata": {"name": name, "namespace": "default"}, "data": data}


def set_data(key: str, value: str) -> Any:
    """A change of a config map."""
    return lambda obj: obj["data"].update({key: value})


def test_versions_rise_with_every_change() -> None:
    store = Store()
    first = store.create(CONFIGMAP, config("a"))
    changed = store.modify(CONFIGMAP, "default", "a", set_data("k", "v"))
    assert changed is not None
    versions = [int(one["metadata"]["resourceVersion"]) for one in (first, changed)]
    assert versions[1] == versions[0] + 1
    assert changed["metadata"]["uid"] == first["metadata"]["uid"]


def test_a_change_that_changes_nothing_is_no_change() -> None:
    store = Store()
    store.create(CONFIGMAP, config("a", k="v"))
    version = store.version
    store.modify(CONFIGMAP, "default", "a", set_data("k", "v"))
    assert store.version == version


def test_a_change_that_raises_stores_nothing() -> None:
    store = Store()
    store.create(CONFIGMAP, config("a", k="v"))

    def fail(obj: Obj) -> None:
        obj["data"]["k"] = "other"
        raise errors.Conflict("no")

    with pytest.raises(errors.Conflict):
        store.modify(CONFIGMAP, "default", "a", fail)
    assert store.get(CONFIGMAP, "default", "a")["data"] == {"k": "v"}


def test_a_successor_of_the_same_name_is_not_touched() -> None:
    store = Store()
    uid = store.create(CONFIGMAP, config("a"))["metadata"]["uid"]
    store.remove(CONFIGMAP, "default", "a")
    store.create(CONFIGMAP, config("a"))
    assert store.modify(CONFIGMAP, "default", "a", set_data("k", "v"), uid=uid) is None
    assert store.remove(CONFIGMAP, "default", "a", uid=uid) is None
    assert store.get(CONFIGMAP, "default", "a")["data"] == {}


def test_what_is_handed_out_is_a_copy() -> None:
    store = Store()
    store.create(CONFIGMAP, config("a"))
    store.get(CONFIGMAP, "default", "a")["data"]["k"] = "v"
    assert store.get(CONFIGMAP, "default", "a")["data"] == {}


async def test_a_subscription_tells_everything_in_order() -> None:
    store = Store()
    events = store.subscribe(CONFIGMAP)
    store.create(CONFIGMAP, config("a"))
    store.modify(CONFIGMAP, "default", "a", set_data("k", "v"))
    store.remove(CONFIGMAP, "default", "a")
    events.close()
    seen = [(event.type, event.object.get("data")) async for event in events]
    assert seen == [
        (ChangeType.ADDED, {}),
        (ChangeType.MODIFIED, {"k": "v"}),
        (ChangeType.DELETED, {"k": "v"}),
    ]


async def test_a_watch_is_resumed_without_a_gap() -> None:
    store = Store()
    version = store.version
    store.create(CONFIGMAP, config("a"))
    changes = store.watch(CONFIGMAP, version)
    assert changes is not None
    store.create(CONFIGMAP, config("b"))
    assert [change.facts.name for change in await changes.batch()] == ["a", "b"]


def test_a_watcher_that_is_too_far_behind_is_let_go() -> None:
    store = Store()
    changes = store.watch(CONFIGMAP, None)
    assert changes is not None
    changes._limit = 2
    for name in "abc":
        store.create(CONFIGMAP, config(name))
    assert changes.overrun
    assert changes.closed


def change(version: int, size: int = 1) -> Change:
    """A change of some size."""
    facts = Facts("", "x", {}, {})
    return Change(version, ChangeType.ADDED, POD, b"x" * size, facts, None)


def test_history_forgets_the_oldest_first_and_says_so() -> None:
    history = History(10, most=2, most_bytes=1000)
    for version in (11, 12, 13):
        history.append(change(version))
    assert history.since(10) is None
    assert [one.version for one in history.since(11) or ()] == [12, 13]
    history.append(change(14, size=999))
    assert [one.version for one in history.since(13) or ()] == [14]
    assert history.since(12) is not None


def test_history_is_bounded_in_bytes() -> None:
    history = History(0, most=100, most_bytes=10)
    for version in range(1, 6):
        history.append(change(version, size=4))
    assert history.floor == 3


def pod(**meta: Any) -> Obj:
    """A scheduled pod."""
    return {
        "metadata": {"name": "p", "namespace": "default", **meta},
        "spec": {"nodeName": "n"},
        "status": {"phase": "Running"},
    }


def test_a_pod_with_a_grace_period_is_left_to_the_kubelet() -> None:
    store = Store()
    made = store.create(POD, pod())
    marked = begin_deletion(store, POD, made, 30)
    assert marked is not None
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 30
    assert marked["metadata"]["generation"] == 2
    finish_deletion(store, marked)
    assert store.find(POD, "default", "p") is None


def test_a_second_deletion_may_only_shorten_the_first() -> None:
    store = Store()
    begin_deletion(store, POD, store.create(POD, pod()), 30)
    begin_deletion(store, POD, store.get(POD, "default", "p"), 60)
    assert store.get(POD, "default", "p")["metadata"]["deletionGracePeriodSeconds"] == 30
    begin_deletion(store, POD, store.get(POD, "default", "p"), 5)
    assert store.get(POD, "default", "p")["metadata"]["deletionGracePeriodSeconds"] == 5


def test_a_finalizer_holds_a_pod() -> None:
    store = Store()
    made = store.create(POD, pod(finalizers=["a/b"]))
    begin_deletion(store, POD, made, 0)
    assert store.get(POD, "default", "p")["metadata"]["deletionGracePeriodSeconds"] == 0


def test_the_disk_gives_back_what_was_there(tmp_path: Path) -> None:
    store = Store(Disk(tmp_path / "state.db"))
    made = store.create(CONFIGMAP, config("a", k="v"))
    store.create(CONFIGMAP, config("b"))
    store.remove(CONFIGMAP, "default", "b")
    store.close()
    again = Store(Disk(tmp_path / "state.db"))
    assert again.list(CONFIGMAP) == [made]
    assert again.version > store.version
    assert again.watch(CONFIGMAP, store.version) is None
    again.close()


class Machine(RuleBasedStateMachine):
    """A store and a follower that keeps its own copy from the changes alone."""

    def __init__(self) -> None:
        super().__init__()
        self.store = Store()
        self.seen: dict[str, str] = {}
        self.start = self.store.version

    @rule(name=st.sampled_from("abc"), value=st.text(max_size=2))
    def put(self, name: str, value: str) -> None:
        """Create or change."""
        if self.store.modify(CONFIGMAP, "default", name, set_data("k", value)) is None:
            self.store.create(CONFIGMAP, config(name, k=value))

    @rule(name=st.sampled_from("abc"))
    def drop(self, name: str) -> None:
        """Remove, if it is there."""
        self.store.remove(CONFIGMAP, "default", name)

    @invariant()
    def history_tells_the_present(self) -> None:
        """Playing the changes from the beginning gives what a list shows."""
        changes = self.store._history[CONFIGMAP].since(self.start)
        present: dict[str, int] = {}
        for one in changes or ():
            if one.type is ChangeType.DELETED:
                del present[one.facts.name]
            else:
                present[one.facts.name] = one.version
        listed = {r.facts.name: r.version for r in self.store.records(CONFIGMAP)}
        assert present == listed


Machine.TestCase.settings = settings(max_examples=30, stateful_step_count=20)
TestMachine = Machine.TestCase
