"""Paths address what was meant, or nothing."""

from __future__ import annotations

import pytest

from podlift.kube.resources import JOBS, LEASES, NODES, PODS


def test_paths_of_core_and_other_groups() -> None:
    assert PODS.path() == "/api/v1/pods"
    assert PODS.path("ns") == "/api/v1/namespaces/ns/pods"
    assert PODS.path("ns", "a", "log") == "/api/v1/namespaces/ns/pods/a/log"
    assert NODES.path(None, "n") == "/api/v1/nodes/n"
    assert JOBS.path("ns", "j") == "/apis/batch/v1/namespaces/ns/jobs/j"
    assert LEASES.path("ns") == "/apis/coordination.k8s.io/v1/namespaces/ns/leases"


def test_names_cannot_leave_their_place_in_the_path() -> None:
    assert PODS.path("ns", "../secrets") == "/api/v1/namespaces/ns/pods/..%2Fsecrets"


def test_half_an_address_is_refused() -> None:
    with pytest.raises(ValueError, match="do not live in namespaces"):
        NODES.path("ns")
    with pytest.raises(ValueError, match="say which one"):
        PODS.path(None, "a")
    with pytest.raises(ValueError, match="empty name"):
        PODS.path("ns", "")
