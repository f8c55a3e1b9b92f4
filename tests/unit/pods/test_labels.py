"""Whose pod it is, written down and read back."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podlift.pods.labels import Identity, annotations_of, identity_of, labels_of, selector_for
from podlift.pods.reading import Pod, read_pod

LABEL_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")
IDENTITIES = st.builds(
    Identity,
    dag_id=st.text(min_size=1),
    task_id=st.text(min_size=1),
    run_id=st.text(min_size=1),
    ti_id=st.uuids().map(str),
    try_number=st.integers(0, 1000),
    map_index=st.integers(-1, 10_000),
    launch=st.integers(0, 100),
    executor=st.text(),
    workload=st.sampled_from(["task", "callback", "connection-test"]),
    team=st.text(),
)


def pod_of(identity: Identity) -> Pod:
    metadata = {"labels": labels_of(identity), "annotations": annotations_of(identity)}
    return read_pod({"metadata": metadata})


@given(IDENTITIES)
def test_the_exact_identity_is_read_back(identity: Identity) -> None:
    assert identity_of(pod_of(identity)) == identity


@given(IDENTITIES)
def test_every_label_is_valid(identity: Identity) -> None:
    assert all(LABEL_VALUE.fullmatch(value) for value in labels_of(identity).values())


def test_only_a_mapped_task_has_a_map_index() -> None:
    identity = Identity(dag_id="d", task_id="t", run_id="r", ti_id="u")
    assert "map_index" not in labels_of(identity)
    mapped = Identity(dag_id="d", task_id="t", run_id="r", ti_id="u", map_index=0)
    assert labels_of(mapped)["map_index"] == "0"


def test_what_is_no_task_has_no_labels_of_one() -> None:
    test = Identity(dag_id="", task_id="", run_id="", ti_id="u", workload="connection-test")
    assert labels_of(test) == {
        "app.kubernetes.io/name": "airflow",
        "app.kubernetes.io/component": "connection-test",
        "app.kubernetes.io/managed-by": "podlift",
    }
    assert identity_of(pod_of(test)) == test


def test_the_team_is_on_the_pod() -> None:
    identity = Identity(dag_id="d", task_id="t", run_id="r", ti_id="u", team="team a")
    assert labels_of(identity)["podlift.dev/team"].startswith("team-a-")


@pytest.mark.parametrize("damage", [{"podlift.dev/ti-id": None}, {"try_number": "two"}])
def test_a_pod_whose_annotations_were_changed_is_nobodys(damage: dict[str, str | None]) -> None:
    identity = Identity(dag_id="d", task_id="t", run_id="r", ti_id="u")
    annotations = {**annotations_of(identity), **damage}
    kept = {key: value for key, value in annotations.items() if value is not None}
    assert identity_of(read_pod({"metadata": {"annotations": kept}})) is None


def test_the_selector_finds_the_pods_of_one_executor() -> None:
    identity = Identity(dag_id="d", task_id="t", run_id="r", ti_id="u", executor="host:8/a")
    pairs = dict(pair.split("=") for pair in selector_for("host:8/a").split(","))
    assert pairs.items() <= labels_of(identity).items()
