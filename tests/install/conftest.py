"""The real node, with the images that an installation needs."""

from __future__ import annotations

import pytest
from tests.functional.conftest import Cluster, cluster
from tests.install.images import Loaded
from tests.real import node

__all__ = ["cluster", "images"]


@pytest.fixture(scope="session")
def images(cluster: Cluster) -> Loaded:
    """All images, made where something of them has changed, and known to the node."""
    return Loaded.of(node.load_layered)
