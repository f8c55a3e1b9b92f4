"""What a watcher is told adds up to what is there, whatever the connection went through."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from podlift.kube.view import View, WatchEvent, identify_with
from podlift.pods.reading import ObjectMeta, Pod

Item = dict[str, Any]
NAMES = st.sampled_from(["a", "b", "c"])


def item(name: str, uid: str = "1", version: str = "1", namespace: str = "ns") -> Item:
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": uid,
            "resourceVersion": version,
        }
    }


def kinds(events: Any) -> list[str]:
    return [f"{event.kind} {event.object['metadata']['name']}" for event in events]


def view_of(*items: Item) -> View[Item]:
    view: View[Item] = View(identify_with(dict))
    list(view.replace(items))
    return view


def test_the_first_list_is_all_new() -> None:
    view: View[Item] = View(identify_with(dict))
    assert kinds(view.replace([item("a"), item("b")])) == ["ADDED a", "ADDED b"]


def test_what_is_known_is_not_told_again() -> None:
    view = view_of(item("a"))
    assert kinds(view.replace([item("a")])) == []
    assert kinds(view.put(item("a"))) == []


def test_a_list_tells_what_changed_and_then_what_vanished() -> None:
    view = view_of(item("a"), item("b"), item("c"))
    news = kinds(view.replace([item("c", version="9"), item("d")]))
    assert news == ["MODIFIED c", "ADDED d", "DELETED a", "DELETED b"]


def test_what_vanished_unseen_is_told_with_its_last_known_state() -> None:
    view = view_of(item("a", version="5"))
    assert list(view.replace([])) == [WatchEvent("DELETED", item("a", version="5"))]


def test_a_name_made_again_is_deleted_and_added() -> None:
    view = view_of(item("a", uid="1"))
    news = list(view.put(item("a", uid="2", version="7")))
    assert news == [
        WatchEvent("DELETED", item("a", uid="1")),
        WatchEvent("ADDED", item("a", uid="2", version="7")),
    ]


def test_the_end_of_an_earlier_bearer_of_a_name_is_no_news() -> None:
    view = view_of(item("a", uid="2"))
    assert kinds(view.remove(item("a", uid="1"))) == []
    assert kinds(view.remove(item("b"))) == []
    assert kinds(view.remove(item("a", uid="2", version="9"))) == ["DELETED a"]


def test_one_name_in_two_namespaces_is_two_objects() -> None:
    view = view_of(item("a", namespace="x"))
    assert kinds(view.put(item("a", uid="2", namespace="y"))) == ["ADDED a"]


def test_structs_are_told_apart_as_dicts_are() -> None:
    identify = identify_with(Pod)
    pod = Pod(metadata=ObjectMeta(name="a", namespace="ns", uid="1", resource_version="1"))
    assert identify(pod) == identify_with(dict[str, Any])(item("a"))


@dataclass
class Picture:
    """A listener that believes every word."""

    objects: dict[str, Item] = field(default_factory=dict)

    def apply(self, event: WatchEvent[Item]) -> None:
        assert event.object is not None
        name = event.object["metadata"]["name"]
        uid = event.object["metadata"]["uid"]
        if event.kind == "ADDED":
            assert name not in self.objects
        else:
            assert self.objects[name]["metadata"]["uid"] == uid
        if event.kind == "DELETED":
            del self.objects[name]
        else:
            self.objects[name] = event.object


class AnyWatch(RuleBasedStateMachine):
    """A server that changes, and a watcher that hears of it at once, later, or by the next list."""

    def __init__(self) -> None:
        super().__init__()
        self.server: dict[str, Item] = {}
        self.history: list[tuple[str, Item]] = []
        self.heard = 0
        self.version = 0
        self.view: View[Item] = View(identify_with(dict))
        self.picture = Picture()

    def _happen(self, kind: str, name: str, uid: str) -> None:
        self.version += 1
        changed = item(name, uid, str(self.version))
        if kind == "DELETED":
            del self.server[name]
        else:
            self.server[name] = changed
        self.history.append((kind, changed))

    @rule(name=NAMES)
    def create(self, name: str) -> None:
        if name not in self.server:
            self._happen("ADDED", name, f"uid-{self.version}")

    @rule(name=NAMES)
    def modify(self, name: str) -> None:
        if name in self.server:
            self._happen("MODIFIED", name, self.server[name]["metadata"]["uid"])

    @rule(name=NAMES)
    def delete(self, name: str) -> None:
        if name in self.server:
            self._happen("DELETED", name, self.server[name]["metadata"]["uid"])

    @precondition(lambda self: self.heard < len(self.history))
    @rule()
    def hear_one(self) -> None:
        kind, changed = self.history[self.heard]
        self.heard += 1
        news = self.view.remove(changed) if kind == "DELETED" else self.view.put(changed)
        for event in news:
            self.picture.apply(event)

    @precondition(lambda self: self.heard > 0)
    @rule()
    def hear_the_last_one_again(self) -> None:
        """A server may repeat itself where a connection broke off."""
        self.heard -= 1

    @rule()
    def list_again(self) -> None:
        """The version was lost: nothing of what happened meanwhile is ever heard one by one."""
        for event in self.view.replace(list(self.server.values())):
            self.picture.apply(event)
        self.heard = len(self.history)

    @invariant()
    def the_picture_is_true_once_everything_is_heard(self) -> None:
        if self.heard == len(self.history):
            assert self.picture.objects == self.server


TestAnyWatch = AnyWatch.TestCase
