"""Pods as the server reports them, in few words."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from podlift.pods.labels import Identity, annotations_of, labels_of
from podlift.pods.reading import Pod, read_pod

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
TI_ID = "01890000-0000-7000-8000-000000000001"

MakePod = Callable[..., Pod]


@pytest.fixture
def make_pod() -> MakePod:
    """Makes a pod in a phase; ``state`` is its base container's."""

    def make(
        phase: str = "Running",
        state: dict[str, Any] | None = None,
        *,
        component: str = "",
        ours: bool = True,
        metadata: dict[str, Any] | None = None,
        **status: Any,
    ) -> Pod:
        identity = Identity(
            dag_id="etl", task_id="load", run_id="r1", ti_id=TI_ID, executor="7-abc", map_index=2
        )
        annotations = annotations_of(identity)
        if not ours:
            annotations = {
                name: value for name, value in annotations.items() if "podlift" not in name
            }
        return read_pod(
            {
                "metadata": {
                    "name": "etl-load-x-1",
                    "namespace": "tasks",
                    "uid": "u1",
                    "creationTimestamp": "2026-01-02T11:00:00Z",
                    "labels": labels_of(identity, component),
                    "annotations": annotations,
                    **(metadata or {}),
                },
                "spec": {"nodeName": "node-1", "restartPolicy": "Never"},
                "status": {
                    "phase": phase,
                    "containerStatuses": [{"name": "base", "state": state}] if state else [],
                    **status,
                },
            }
        )

    return make
