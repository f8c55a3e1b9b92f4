"""A home that must be empty of processes afterwards; the cluster of the functional tests."""

from tests.functional.conftest import cluster, machine, namespace, remove_later
from tests.homes import home

__all__ = ["cluster", "home", "machine", "namespace", "remove_later"]
