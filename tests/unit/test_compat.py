"""Where Podlift adapts to Airflow, and to what people configured in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from airflow.policies import hookimpl
from airflow.settings import get_policy_plugin_manager

from podlift.compat import has_pod_mutation_hook, mutate_pod
from podlift.pods.errors import InvalidManifest

POD: dict[str, Any] = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "base"}]}}

Install = Callable[[Callable[[Any], None]], None]


@pytest.fixture
def install() -> Iterator[Install]:
    """Registers a ``pod_mutation_hook`` as a deployment's policy plugin does."""
    manager = get_policy_plugin_manager()
    plugins: list[object] = []

    def register(function: Callable[[Any], None]) -> None:
        class Policy:
            @staticmethod
            @hookimpl
            def pod_mutation_hook(pod: Any) -> None:
                function(pod)

        manager.register(Policy)
        plugins.append(Policy)

    yield register
    for each in plugins:
        manager.unregister(each)


def test_without_a_hook_the_pod_stays_as_it_is() -> None:
    assert not has_pod_mutation_hook()
    assert mutate_pod(POD) is POD


def test_a_hook_gets_a_model_object_and_may_change_it(install: Install) -> None:
    def on_spot_nodes(pod: Any) -> None:
        pod.spec.node_selector = {"pool": "spot"}
        pod.metadata.labels = {**(pod.metadata.labels or {}), "cost": "low"}

    install(on_spot_nodes)
    changed = mutate_pod(POD)
    assert changed["spec"]["nodeSelector"] == {"pool": "spot"}
    assert changed["metadata"] == {"name": "p", "labels": {"cost": "low"}}
    assert "nodeSelector" not in POD["spec"]


def test_a_hook_that_fails_is_told_in_a_sentence(install: Install) -> None:
    def fail(pod: Any) -> None:
        raise KeyError("team")

    install(fail)
    with pytest.raises(InvalidManifest, match="pod_mutation_hook failed with KeyError: 'team'"):
        mutate_pod(POD)


def test_a_pod_that_no_model_can_hold_is_not_cut_short(install: Install) -> None:
    install(lambda pod: None)
    newer = {**POD, "spec": {**POD["spec"], "aFieldOfTheNextVersion": True}}
    with pytest.raises(InvalidManifest, match=r"all of its fields|aField"):
        mutate_pod(newer)
