"""What a refusal says about the right that is missing."""

from __future__ import annotations

import pytest

from podlift.kube.errors import Forbidden


@pytest.mark.parametrize(
    ("message", "right"),
    [
        (
            'pods is forbidden: User "a" cannot create resource "pods" in API group "" in the '
            'namespace "tasks"',
            "the verb create on pods by a Role in namespace tasks",
        ),
        (
            'pods "p" is forbidden: User "system:serviceaccount:airflow:scheduler" cannot get '
            'resource "pods/log" in API group "" in the namespace "tasks"',
            "the verb get on pods/log by a Role in namespace tasks",
        ),
        (
            'pods is forbidden: User "a" cannot list resource "pods" in API group "" at the '
            "cluster scope",
            "the verb list on pods by a ClusterRole",
        ),
        ('pods "p" is forbidden: violates PodSecurity "restricted:latest"', ""),
        ('pods "p" is forbidden: exceeded quota: small, requested: pods=1', ""),
    ],
)
def test_the_right_to_grant_is_named_where_one_is_missing(message: str, right: str) -> None:
    error = Forbidden(403, "Forbidden", message)
    assert error.missing_right == right
    assert (f"Grant it {right}." in str(error)) is bool(right)
