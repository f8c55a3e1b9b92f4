"""Pods as a real Kubernetes 1.36 reported them, step by step."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from podlift.pods.reading import Event, Pod, decode_pod

FOLDER = Path(__file__).parents[2] / "data" / "kube-recordings"


@dataclass(frozen=True)
class Step:
    """One event of a recorded watch."""

    kind: str
    pod: Pod


@dataclass(frozen=True)
class Recording:
    steps: tuple[Step, ...]
    events: tuple[Event, ...]

    @property
    def last(self) -> Pod:
        return self.steps[-1].pod


def load(case: str) -> Recording:
    data = json.loads((FOLDER / f"lifecycle-{case}.json").read_text())
    steps = (
        Step(each["type"], decode_pod(json.dumps(each["object"])))
        for each in data["watch"]
        if each["type"] != "BOOKMARK"
    )
    return Recording(tuple(steps), tuple(msgspec.convert(data["events"], list[Event])))


@pytest.fixture(scope="session")
def recording() -> Callable[[str], Recording]:
    """Loads a recorded case by its name."""
    return load


@pytest.fixture(scope="session")
def recorded_cases() -> frozenset[str]:
    """The names of all recorded cases."""
    return frozenset(
        path.stem.removeprefix("lifecycle-") for path in FOLDER.glob("lifecycle-*.json")
    )
